"""What keeps passes coming: beat, slots, horizon, upkeep."""
