// How fast a state dict of 100 MB is read and written, compared with copying the file in the same directory.
// Reading is compared with a copy of the file (read and write, both in the page cache), writing, which flushes, with a
// copy that is flushed, too. Work and copy take turns; medians. Exits 1 if either is slower than half a copy.
// Usage: npm run bench:checkpoint -- [--rounds 15] [--directory DIR] [--json]
import { copyFile, mkdtemp, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readStateDict, systemInfo, Tensor, writeStateDict } from "../dist/index.js";

const BYTES = 100e6;
const LEAST_RATIO = 0.5;

const { values: flags } = parseArgs({
  options: { rounds: { type: "string", default: "15" }, directory: { type: "string", default: tmpdir() },
    json: { type: "boolean", default: false } },
});
const rounds = Number(flags.rounds);
const folder = await mkdtemp(join(flags.directory, "reviewkd-bench-"));

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

async function seconds(work) {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

/** Tensors of a network's sizes: a few large, many small. */
function stateOfSize() {
  const state = {};
  const values = new Float32Array(9 * 512 * 512).map((_, index) => Math.sin(index));
  const sizes = [values.length, 9 * 256 * 256, 512 * 512, 4096, 512];
  for (let index = 0, left = BYTES / 4; left > 0; ++index) {
    const size = Math.min(left, sizes[index % sizes.length]);
    state[`layer${index}.weight`] = Tensor.from(values.subarray(0, size), [size]);
    left -= size;
  }
  return state;
}

/** The archive's content in the layout before 1.6: the same pickle, followed by the storages. */
async function legacyOf(path) {
  const file = await readFile(path);
  const directory = file.readUInt32LE(file.length - 6);
  const contents = {};
  for (let at = directory, end = file.length - 22; at < end && file.readUInt32LE(at) === 0x02014b50;) {
    const [size, name, extra, comment, header] = [file.readUInt32LE(at + 24), file.readUInt16LE(at + 28),
      file.readUInt16LE(at + 30), file.readUInt16LE(at + 32), file.readUInt32LE(at + 42)];
    const begin = header + 30 + file.readUInt16LE(header + 26) + file.readUInt16LE(header + 28);
    contents[
      file.toString("latin1", at + 46 + file.toString("latin1", at + 46, at + 46 + name).indexOf("/") + 1,
        at + 46 + name)
    ] = file.subarray(begin, begin + size);
    at += 46 + name + extra + comment;
  }
  const text = (value) => `X${String.fromCharCode(value.length, 0, 0, 0)}${value}`;
  const preface = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}" +
    `${text("little_endian")}\x88s.`;
  const keys = Object.keys(contents).filter((name) => name.startsWith("data/")).map((name) => name.slice(5));
  const storages = keys.flatMap((key) => {
    const count = Buffer.alloc(8);
    count.writeBigUInt64LE(BigInt(contents[`data/${key}`].length / 4));
    return [count, contents[`data/${key}`]];
  });
  return Buffer.concat([Buffer.from(preface, "latin1"), contents["data.pkl"],
    Buffer.from(`\x80\x02](${keys.map(text).join("")}e.`, "latin1"), ...storages]);
}

async function copyFlushed(from, to) {
  await copyFile(from, `${to}.tmp`);
  const file = await open(`${to}.tmp`, "r+");
  await file.sync();
  await file.close();
  await rename(`${to}.tmp`, to);
}

async function readAndDispose(path) {
  const { state } = await readStateDict(path);
  for (const tensor of Object.values(state)) tensor.dispose();
}

async function compare(name, work, copy) {
  const times = { work: [], copy: [] };
  for (let round = -1; round < rounds; ++round) { // the first one warms up
    const [worked, copied] = [await seconds(work), await seconds(copy)];
    if (round >= 0) {
      times.work.push(worked);
      times.copy.push(copied);
    }
  }
  const [worked, copied] = [median(times.work), median(times.copy)];
  return { name, milliseconds: worked * 1000, copyMilliseconds: copied * 1000, ratio: copied / worked };
}

const results = [];
const at = (name) => join(folder, name);
try {
  const state = stateOfSize();
  for (const ending of ["safetensors", "pt"]) {
    await writeStateDict(at(`state.${ending}`), state);
    results.push(
      await compare(`write .${ending}`, () => writeStateDict(at(`written.${ending}`), state), () =>
        copyFlushed(at(`state.${ending}`), at("copied"))),
    );
  }
  await writeFile(at("legacy.pt"), await legacyOf(at("state.pt")));
  for (const [name, path] of [["read .safetensors", at("state.safetensors")], ["read .pt", at("state.pt")], [
    "read .pt, legacy",
    at("legacy.pt"),
  ]]) {
    results.push(await compare(name, () => readAndDispose(path), () => copyFile(path, at("copied"))));
  }
  const { size } = await stat(at("state.pt"));
  const { libtorch } = await systemInfo();
  const passed = results.every(({ ratio }) => ratio >= LEAST_RATIO);
  const machine = { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, node: process.version,
    libtorch: libtorch.version };
  if (flags.json) {
    console.log(JSON.stringify({ bytes: size, rounds, results, ...machine, leastRatio: LEAST_RATIO, passed }));
  } else {
    console.log(`a state dict of ${(size / 1e6).toFixed(1)} MB, medians of ${rounds} rounds`);
    for (const { name, milliseconds, copyMilliseconds, ratio } of results) {
      console.log(
        `  ${name.padEnd(18)} ${milliseconds.toFixed(0).padStart(5)} ms   copy ${copyMilliseconds.toFixed(0).padStart(5)} ms   ${ratio.toFixed(2)} of a copy's speed`,
      );
    }
    console.log(`  ${machine.cpu}, ${machine.cores} cores; Node ${machine.node}; libtorch ${machine.libtorch}`);
    console.log(passed ? `at least ${LEAST_RATIO} of a copy's speed` : `less than ${LEAST_RATIO} of a copy's speed`);
  }
  if (!passed) process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
