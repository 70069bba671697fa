"""What the documentation of the collection shows and promises, as data: examples, return values, attributes."""
