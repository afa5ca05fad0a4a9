"""The array algorithms behind the layers, on CHWN arrays of one microbatch."""
