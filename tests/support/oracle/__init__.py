"""What a cluster must look like, worked out independently of the product."""
