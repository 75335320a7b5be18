import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { decodeRecords, encodeRecords, packCifar, RECORD_BYTES,
  unpackCifar } from "../../../scripts/gpu/device/cifar.js";
import { useTemporaryDirectory } from "../lib/install/fake-libtorch.js";
import { cifarRecords } from "../../support/cifar-records.js";

describe("CIFAR-100 for a GPU machine", () => {
  const directory = useTemporaryDirectory();

  /** Packs both files and returns the directories of the parts. */
  function packed(train: Buffer, test: Buffer, limitBytes: number, chunkRecords?: number): string[] {
    writeFileSync(join(directory(), "train.bin"), train);
    writeFileSync(join(directory(), "test.bin"), test);
    return packCifar(directory(), join(directory(), "part"), limitBytes, chunkRecords);
  }

  it("restores records to the byte", () => {
    const smooth = cifarRecords(7);
    expect(decodeRecords(encodeRecords(smooth)).equals(smooth)).to.equal(true);
  });

  it("restores every value next to every other, when differences wrap around", () => {
    const records = Buffer.alloc(70 * RECORD_BYTES);
    // Pairs (left, right) of all bytes in green, of their complements in red and blue.
    for (let index = 0; index < records.length; ++index)
      records[index] = Math.imul(index, 2654435761) >>> (8 * (index % 4));
    records.fill(255, 10 * RECORD_BYTES, 11 * RECORD_BYTES);
    records.fill(0, 11 * RECORD_BYTES, 12 * RECORD_BYTES);
    expect(decodeRecords(encodeRecords(records)).equals(records)).to.equal(true);
  });

  it("takes less space than the pixels of smooth images", () => {
    const records = cifarRecords(20);
    expect(encodeRecords(records).length).to.be.lessThan(0.6 * records.length);
  });

  it("splits into parts within the limit, which together restore both files", () => {
    const [train, test] = [cifarRecords(110), cifarRecords(30, 5)];
    const whole = encodeRecords(train.subarray(0, 50 * RECORD_BYTES)).length;
    const parts = packed(train, test, whole + 10, 50);
    expect(parts).to.have.length(3);
    mkdirSync(join(directory(), "all"));
    for (const part of parts) {
      const names = readdirSync(part);
      expect(names.reduce((sum, name) => sum + statSync(join(part, name)).size, 0)).to.be.at.most(whole + 10);
      for (const name of names) copyFileSync(join(part, name), join(directory(), "all", name));
    }
    const index = unpackCifar(join(directory(), "all"), join(directory(), "restored"));
    expect(index["train"]).to.deep.include({ records: 110, chunks: 3 });
    expect(readFileSync(join(directory(), "restored", "train.bin")).equals(train)).to.equal(true);
    expect(readFileSync(join(directory(), "restored", "test.bin")).equals(test)).to.equal(true);
  });

  it("names the missing files of a missing part", () => {
    const [part] = packed(cifarRecords(3), cifarRecords(2, 5), 1e6);
    expect(() => unpackCifar(join(directory(), "nowhere"), directory())).to.throw(
      "invalid data: expected all parts of the data set",
    );
    mkdirSync(join(directory(), "all"));
    for (const name of ["index.json", "test-00.cifar"]) copyFileSync(join(part!, name), join(directory(), "all", name));
    expect(() => unpackCifar(join(directory(), "all"), directory())).to.throw("received none of train-00.cifar");
  });

  it("detects changed content by its checksum", () => {
    const [part] = packed(cifarRecords(3), cifarRecords(2, 5), 1e6);
    writeFileSync(join(part!, "test-00.cifar"), encodeRecords(cifarRecords(2, 6)));
    expect(() => unpackCifar(part!, join(directory(), "restored"))).to.throw(/expected SHA-256 \w+ for test\.bin/);
  });

  it("rejects files with incomplete records", () => {
    expect(() => packed(Buffer.alloc(10), cifarRecords(1), 1e6)).to.throw(
      "invalid train.bin: expected records of 3074 bytes, received 10 bytes",
    );
  });
});
