"""Named random streams, fractal fields and ragged rings: all chance in the sample comes from here."""

import zlib

import numpy as np

SEED = 20250815


def stream(*labels: object) -> np.random.Generator:
    """Independent random stream of one named thing, so that any one product made alone comes out the same."""
    return np.random.default_rng([SEED, zlib.crc32("/".join(map(str, labels)).encode())])


def fractal_field(
    shape: tuple[int, int], exponent: float, outer_scale_px: float, source: np.random.Generator
) -> np.ndarray:
    """Gaussian random field, mean 0 and variance 1, whose power falls off as k^-exponent below `outer_scale_px`.

    Spectral synthesis (Saupe 1988, The Science of Fractal Images), von Karman form P = (k^2 + k0^2)^(-exponent/2).
    """
    rows, columns = shape
    k_squared = np.fft.fftfreq(rows)[:, None] ** 2 + np.fft.rfftfreq(columns)[None, :] ** 2
    amplitude = (k_squared + outer_scale_px**-2.0) ** (-exponent / 4)
    field = np.fft.irfft2(np.fft.rfft2(source.standard_normal(shape)) * amplitude, s=shape)
    return (field - field.mean()) / field.std()


def ragged_ring(roughness: float, decay: float, vertices: int, source: np.random.Generator) -> np.ndarray:
    """Ragged ring round the origin, (n, 2): a unit circle displaced both ways by harmonics of amplitude m^-decay.

    `roughness` is the standard deviation of the displacement. The ring may cross itself; the caller mends that.
    """
    angle = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    harmonic = np.arange(2, vertices // 3)
    amplitude = harmonic**-decay
    amplitude *= roughness * np.sqrt(2 / np.sum(amplitude**2))
    phase = source.uniform(0, 2 * np.pi, (2, harmonic.size, 1))
    displacement = (amplitude[:, None] * np.cos(harmonic[:, None] * angle + phase)).sum(axis=1)
    return np.column_stack([np.cos(angle), np.sin(angle)]) + displacement.T
