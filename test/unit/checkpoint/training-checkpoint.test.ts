import { readdir, readFile, writeFile } from "node:fs/promises";
import { expect } from "chai";
import { createSession, readWeightsInfo, type Session } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";
import { scratchDirectory } from "../lib/small-run.js";
import { smallBatch, smallDistiller, smallModel, weightsOf } from "../training/small-training.js";
import { uniforms } from "../../support/uniforms.js";

/** Length of the JSON header. */
const headerLength = (file: Buffer): number => Number(file.readBigUInt64LE(0));

/** The file with a changed metadata entry and all lengths adjusted: a valid safetensors file. */
function withMetadata(file: Buffer, change: (metadata: Record<string, string>) => void): Buffer {
  const end = 8 + headerLength(file);
  const header = JSON.parse(file.subarray(8, end).toString()) as { __metadata__: Record<string, string> };
  change(header.__metadata__);
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, file.subarray(end)]);
}

describe("a training checkpoint", () => {
  const scratch = scratchDirectory();
  const path = (): string => scratch("run.safetensors");

  async function saved(metadata: Record<string, string> = {}): Promise<{ session: Session; file: Buffer }> {
    const session = await createSession({ distiller: await smallDistiller(), threads: 1,
      optimizer: { kind: "sgd", learningRate: 0.02 } });
    await session.step(smallBatch(4, 1));
    await session.saveCheckpoint(path(), metadata);
    return { session, file: await readFile(path()) };
  }

  const load = async (session: Session, file: Buffer): Promise<Record<string, string>> => {
    await writeFile(scratch("other.safetensors"), file);
    return session.loadCheckpoint(scratch("other.safetensors"));
  };

  it("is rejected for any byte that differs: length, names, numbers, checksum, padding, tensors", async () => {
    const { session, file } = await saved({ note: 'says "session.checksum":"00000000", and \\ too' });
    const before = await weightsOf(session.distiller!);
    const end = 8 + headerLength(file);
    const header = file.subarray(0, end).toString("latin1");
    const digits = header.search(/"session\.checksum":"/) + '"session.checksum":"'.length;
    const padding = header.length - header.trimEnd().length;
    const places = new Set([
      ...Array.from({ length: 8 }, (_, index) => index),
      ...Array.from({ length: 8 }, (_, index) => digits + index),
      ...Array.from({ length: padding }, (_, index) => end - 1 - index),
      ...uniforms(1, 80).map((value) => Math.floor(8 + value * (end - 8))),
      ...uniforms(2, 80).map((value) => Math.floor(end + value * (file.length - end))),
      end,
      file.length - 1,
    ]);
    expect(places.size).to.be.above(150);
    for (const place of places) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const damaged = Buffer.from(file);
        damaged[place] = damaged[place]! ^ flip;
        await failureOf("FILE_CORRUPT", () => load(session, damaged));
      }
    }
    expect(await weightsOf(session.distiller!)).to.deep.equal(before);
    expect(await load(session, file)).to.deep.equal({ note: 'says "session.checksum":"00000000", and \\ too' });
  });

  it("is rejected when whitespace is replaced by other whitespace", async () => {
    const { session, file } = await saved();
    const end = 8 + headerLength(file);
    const longer = Buffer.concat([file.subarray(0, end), Buffer.from("        "), file.subarray(end)]);
    longer.writeBigUInt64LE(BigInt(end), 0);
    await writeFile(path(), longer);
    expect((await readWeightsInfo(path())).tensors.length, "a whole file by its format").to.be.above(0);
    await failureOf("FILE_CORRUPT", () => load(session, longer));
  });

  it("is rejected wherever it is truncated", async () => {
    const { session, file } = await saved();
    for (const share of [0, ...uniforms(3, 40)])
      await failureOf("FILE_CORRUPT", () => load(session, file.subarray(0, Math.floor(share * file.length))));
    await failureOf("FILE_CORRUPT", () => load(session, Buffer.concat([file, Buffer.from([0])])));
  });

  it("is rejected without a checksum, like checkpoints from before there was one", async () => {
    const { session, file } = await saved();
    const { message } = await failureOf("FILE_CORRUPT", () =>
      load(session, withMetadata(file, (metadata) => {
        delete metadata["session.checksum"];
      })));
    expect(message).to.include("session.checksum").and.to.include("an earlier version");
  });

  it("records the libtorch version and platform that wrote it", async () => {
    await saved();
    const { metadata } = await readWeightsInfo(path());
    expect(metadata["session.format"]).to.equal("2");
    const origin = JSON.parse(metadata["session.origin"]!) as Record<string, unknown>;
    expect(origin).to.include({ threads: 1, device: "cpu", node: process.version });
    expect(origin["libtorch"]).to.equal(metadata["session.libtorch"]);
  });

  it("restores the learning rate and epoch set by a custom loop", async () => {
    const { session } = await saved();
    await session.setEpoch(3);
    await session.setLearningRate(0.005);
    await session.saveCheckpoint(path());
    const fresh = await createSession({ distiller: await smallDistiller(), threads: 1,
      optimizer: { kind: "sgd", learningRate: 0.02 } });
    await fresh.loadCheckpoint(path());
    expect(await fresh.position()).to.deep.equal(await session.position());
    const results = await Promise.all(
      [session, fresh].map(async (each) => ({ ...await each.step(smallBatch(4, 2)), seconds: null })),
    );
    expect(results[1]).to.deep.equal(results[0]);
    expect(results[1]!.learningRate).to.equal(0.005);
    expect(await weightsOf(fresh.distiller!)).to.deep.equal(await weightsOf(session.distiller!));
  });

  it("continues under the teacher that it was trained under, and under another only on request", async () => {
    await saved();
    const distiller = await smallDistiller();
    const session = await createSession({ distiller, threads: 1 });
    await distiller.teacher.loadStateDict(await (await smallModel({ seed: 9 })).stateDict());
    const { message } = await failureOf("STATE_DICT_MISMATCH", () => session.loadCheckpoint(path()));
    expect(message).to.include("invalid teacher");
    expect((await session.position()).totalSteps).to.equal(0);
    await session.loadCheckpoint(path(), { otherTeacher: true });
    expect((await session.position()).totalSteps).to.equal(1);
  });

  it("keeps the previous one under another name, whole at every moment", async () => {
    const { session, file } = await saved();
    await session.step(smallBatch(4, 2));
    const keepAs = scratch("before.safetensors");
    await session.saveCheckpoint(path(), {}, { keepAs });
    expect((await readFile(keepAs)).equals(file)).to.equal(true);
    await session.saveCheckpoint(scratch("new.safetensors"), {}, { keepAs: scratch("none.safetensors") });
    const { message } = await failureOf("INVALID_ARGUMENT",
      () => session.saveCheckpoint(path(), {}, { keepAs: `${scratch()}/./run.safetensors` }));
    expect(message).to.include("invalid keepAs in save options: expected another path than that of the checkpoint");
    expect(await readdir(scratch())).to.have.members(["before.safetensors", "run.safetensors", "new.safetensors"]);
  });
});
