"""The price list, the budget and amounts of money."""
