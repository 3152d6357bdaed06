"""Changes bytes of a file, and says what became of it."""

import struct
import zlib

# How a file went: like an independent reader's, with none to compare with, or refused by name.
READ, ALONE, REFUSED = 'read', 'read alone', 'refused'


class WrongError(AssertionError):
  """What was read is not what is there."""


def require(right, what):
  if not right:
    raise WrongError(what)


def mutated(data, rng):
  """Changes, cuts, repeats or puts in some bytes, once or a few times."""
  for _ in range(rng.choice([1, 1, 1, 2, 3])):
    data = bytearray(data)
    near = min(len(data), 300) if rng.random() < 0.5 else len(data)  # its header, or anywhere
    at = int(rng.integers(max(1, near)))
    size = int(rng.integers(1, 40))
    how = rng.integers(7)
    if how == 0:
      for place in rng.integers(max(1, near), size=size // 10 + 1):
        data[place : place + 1] = rng.bytes(1)
    elif how == 1:
      data[at : at + 1] = bytes([data[at] ^ (1 << int(rng.integers(8)))]) if data else b''
    elif how == 2:
      del data[-int(rng.integers(1, size + 1 if rng.random() < 0.5 else len(data) + 2)) :]
    elif how == 3:
      del data[at : at + size // 8 + 1]
    elif how == 4:
      data[at:at] = data[at : at + size] * int(rng.integers(1, 5))
    elif how == 5:
      data[at : at + size] = bytes(size) if rng.random() < 0.5 else rng.bytes(size)
    else:  # a length, a count or a place
      kind = rng.choice(['<H', '>H', '<I', '>I', '<Q', '>Q'])
      top = 2 ** (8 * struct.calcsize(kind)) - 1
      value = [0, 1, top, top // 2, top // 2 + 1, int(rng.integers(2**31))][rng.integers(6)]
      data[at : at + struct.calcsize(kind)] = struct.pack(kind, min(value, top))
  return bytes(data)


def with_checksums(data, rng):
  """A PNG whose chunks agree with their checksums again, so that more than those is tried."""
  if rng.random() < 0.4:
    return data
  parts, place = [data[:8]], 8
  while place + 12 <= len(data):
    (length,) = struct.unpack_from('>I', data, place)
    body = data[place + 4 : place + 8 + length]
    parts.append(data[place : place + 4] + body + struct.pack('>I', zlib.crc32(body)))
    place += 12 + length
  return b''.join(parts)
