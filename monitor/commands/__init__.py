"""The commands of `checkrein`, by what they are for."""
