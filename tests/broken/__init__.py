"""Components that each break one rule of their contract; the tests of tlf.testing import them."""
