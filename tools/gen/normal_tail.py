#!/usr/bin/env python3
"""Derive the coefficients of normal_tail() in src/math/elementwise.h.

The exact GELU is x * Phi(x), Phi the normal distribution's. Its tail is
    Phi(-z) = exp(-z*z/2) * t * (a0 + a1 t + ... + a6 t^6),  t = 1 / (1 + c z)
for z >= 0, the form of Abramowitz and Stegun 26.2.17 with two more terms.
Least squares, re-weighted until the largest error no longer falls; prints c,
the coefficients and the largest absolute error on 0..8 in double.
Needs numpy.
"""
import math

import numpy as np

TERMS = 7


def fit(c, z, tail):
    t = 1 / (1 + c * z)
    basis = np.exp(-z * z / 2)[:, None] * t[:, None] ** np.arange(1, TERMS + 1)
    weight, best = np.ones_like(z), (math.inf, None)
    for _ in range(60):
        a = np.linalg.lstsq(basis * weight[:, None], tail * weight, rcond=None)[0]
        error = np.abs(basis @ a - tail)
        if error.max() < best[0]:
            best = (error.max(), a)
        weight *= np.sqrt(0.2 + error / error.max())
        weight /= weight.max()
    return best


def main():
    z = 4 * (1 - np.cos(np.linspace(0, math.pi, 3000)))  # 0..8, dense at the ends
    tail = np.array([0.5 * math.erfc(v / math.sqrt(2)) for v in z])
    error, c, a = best_of(z, tail)
    print(f'c {c:.2f}  largest error {error:.1e}')
    for i, v in enumerate(a):
        print(f'a{i} {v:.9e}')


def best_of(z, tail):
    best = (math.inf, None, None)
    for c in np.arange(0.15, 0.45, 0.01):
        error, a = fit(c, z, tail)
        if error < best[0]:
            best = (error, c, a)
    return best


if __name__ == '__main__':
    main()
