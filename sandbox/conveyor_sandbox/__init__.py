"""Where code runs: isolated places, and the guest that runs Python in them."""
