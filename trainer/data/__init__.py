"""Where pairs come from: sources, the split, the mix, and the card that tells of them."""
