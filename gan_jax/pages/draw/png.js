// PNG files of a model's own pixels: grey of 8 or 16 bits, RGB, RGBA, with text in them.
// A canvas would hold 8 bits alone, and change colours where they are transparent.
const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit += 1) n = n & 1 ? 0xEDB88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

const chunk = (kind, data) => {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(kind), 4);
  bytes.set(data, 8);
  let crc = -1;
  for (const byte of bytes.subarray(4, 8 + data.length)) crc = CRC[(crc ^ byte) & 255] ^ (crc >>> 8);
  view.setUint32(8 + data.length, ~crc);
  return bytes;
};

const through = async (bytes, stream) =>
  new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());

// International text: keyword, two zeros (not compressed), no language, no translated keyword.
const text = ([name, value]) =>
  chunk('iTXt', new TextEncoder().encode(`${name}\0\0\0\0\0${value}`));

// Uint8Array or Uint16Array [height, width, channels] to a Blob; `texts` by keyword.
const png = async (pixels, { height, width, channels }, texts = {}) => {
  const depth = pixels.BYTES_PER_ELEMENT;
  const row = width * channels * depth;
  const rows = new Uint8Array(height * (1 + row));  // each begins with 0: not filtered
  const view = new DataView(rows.buffer);
  for (let y = 0; y < height; y += 1) {
    const line = pixels.subarray(y * width * channels, (y + 1) * width * channels);
    const at = y * (1 + row) + 1;
    if (depth === 1) rows.set(line, at);
    else line.forEach((value, x) => view.setUint16(at + 2 * x, value));
  }
  const head = new DataView(new ArrayBuffer(13));
  head.setUint32(0, width);
  head.setUint32(4, height);
  head.setUint8(8, 8 * depth);
  head.setUint8(9, { 1: 0, 3: 2, 4: 6 }[channels]);
  const parts = [
    chunk('IHDR', new Uint8Array(head.buffer)),
    ...Object.entries(texts).map(text),
    chunk('IDAT', await through(rows, new CompressionStream('deflate'))),
    chunk('IEND', new Uint8Array()),
  ];
  return new Blob([Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10), ...parts], { type: 'image/png' });
};

// Pictures of one size as a grid; what is left over is black, or transparent.
const gridOf = (pictures, columns, { height, width, channels }) => {
  const rows = Math.ceil(pictures.length / columns);
  const line = width * channels;
  const whole = new pictures[0].constructor(rows * height * columns * line);
  pictures.forEach((pixels, n) => {
    const [row, column] = [Math.floor(n / columns), n % columns];
    for (let y = 0; y < height; y += 1) {
      const at = ((row * height + y) * columns + column) * line;
      whole.set(pixels.subarray(y * line, (y + 1) * line), at);
    }
  });
  return [whole, { height: rows * height, width: columns * width, channels }];
};
