// Latents by seed, the same as gan_jax draws: the first latent of `sample --seeds=SEED`.
//
// A seed is a key of Threefry-2x32 with 20 rounds (Salmon et al., SC 2011), as JAX has it; number i
// of a latent is a hash of i under that key, made uniform in (-1, 1), and normal by the inverse of
// the error function (Giles, "Approximating the erfinv function", 2010, single precision).
const ROTATIONS = [[13, 15, 26, 6], [17, 29, 16, 24]];

const threefry = ([k0, k1], [c0, c1]) => {
  const keys = [k0, k1, k0 ^ k1 ^ 0x1BD11BDA];
  let a = (c0 + k0) | 0;
  let b = (c1 + k1) | 0;
  for (let group = 0; group < 5; group += 1) {
    for (const turn of ROTATIONS[group % 2]) {
      a = (a + b) | 0;
      b = ((b << turn) | (b >>> (32 - turn))) ^ a;
    }
    a = (a + keys[(group + 1) % 3]) | 0;
    b = (b + keys[(group + 2) % 3] + group + 1) | 0;
  }
  return [a, b];
};

const CENTRE = [2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
  -0.00125372503, -0.00417768164, 0.246640727, 1.50140941];
const TAIL = [-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
  -0.0076224613, 0.00943887047, 1.00167406, 2.83297682];

const inverseErf = (x) => {
  const w = -Math.log1p(-Math.fround(x * x));  // rounded where JAX rounds: 1 - x² is all that counts
  const at = w < 5 ? w - 2.5 : Math.sqrt(w) - 3;
  return x * (w < 5 ? CENTRE : TAIL).reduce((sum, factor) => sum * at + factor);
};

// Float32Array of `size` numbers ~ N(0, 1) of a seed, 0 <= seed < 2 ** 32.
const latent = (seed, size) => {
  const key = threefry([0, seed | 0], [0, 0]);  // of image 0 of the seed
  return Float32Array.from({ length: size }, (_, i) => {
    const [a, b] = threefry(key, [0, i]);
    const unit = ((a ^ b) >>> 9) * 2 ** -23;
    const least = 2 ** -24 - 1;
    return Math.SQRT2 * inverseErf(Math.max(least, Math.fround(unit * 2 + least)));
  });
};

// Along the arc from one latent to another, 0 <= t <= 1 (White, arXiv:1609.04468).
const between = (start, end, t) => {
  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const cosine = dot(start, end) / Math.sqrt(dot(start, start) * dot(end, end));
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  const sine = Math.sin(angle);
  const straight = !(sine >= 1e-6);
  const a = straight ? 1 - t : Math.sin((1 - t) * angle) / sine;
  const b = straight ? t : Math.sin(t * angle) / sine;
  return start.map((value, i) => a * value + b * end[i]);
};
