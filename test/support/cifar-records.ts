// Records in the binary format of CIFAR-100: coarse and fine label, then 32 × 32 pixels each of red, green and blue.
const SIDE = 32;
const PLANE = SIDE * SIDE;
const RECORD_BYTES = 2 + 3 * PLANE;

/** Smooth images with a little noise, one of each class in turn. */
export function cifarRecords(count: number, salt = 1): Buffer {
  const records = Buffer.alloc(count * RECORD_BYTES);
  for (let record = 0; record < count; ++record) {
    const fine = record % 100;
    records[record * RECORD_BYTES] = Math.floor(fine / 5);
    records[record * RECORD_BYTES + 1] = fine;
    for (let index = 0; index < 3 * PLANE; ++index) {
      const [row, column] = [Math.floor((index % PLANE) / SIDE), index % SIDE];
      const noise = (Math.imul(index + record * 7919 + salt, 2654435761) >>> 0) % 5;
      records[record * RECORD_BYTES + 2 + index] = 90 + 20 * Math.floor(index / PLANE) + (fine % 10) + 2 * row +
        column + noise;
    }
  }
  return records;
}
