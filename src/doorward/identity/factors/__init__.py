"""Second factors, one module each. They know codes; `credentials` alone decides whether one may be tried."""
