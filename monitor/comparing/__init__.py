"""What a comparison of two versions that serve at the same time is made of: minutes, subjects, states, guards."""
