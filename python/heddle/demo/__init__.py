"""`python -m heddle.demo`: a pretrained sentence encoder whose attention is compiled by Heddle.

Real sentences of different lengths lie packed one after another; every layer calls `heddle.attend` on them. The rest of the
encoder is NumPy, and `oracle` computes everything a second time, independently, in float64.
"""
