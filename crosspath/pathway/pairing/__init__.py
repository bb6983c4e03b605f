"""Which target weight pairs with which of the auxiliary, and why others do not."""
