// The readers of untrusted files without libtorch: the memory cost of the worst files, and the fuzzing corpus replayed
// and mutated. `npm run fuzz` runs the full fuzzing.
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { buildHarness, READERS, SANITIZERS, unpackCorpus } from "../../scripts/fuzz/build.js";
import { run } from "../../lib/install/process.js";
import { HOSTILE_FILES } from "../support/hostile-files.js";
import { array, binary } from "../support/numpy-files.js";
import { archive, bytes, dict, global, pickle, tensor, text, tuple, u32, zip } from "../support/pytorch-files.js";
import { buildSafetensors } from "../support/safetensors.js";

const BUILD = "build/fuzz";
const MUTATIONS = 20_000;

describe("the readers of untrusted files", function () {
  this.timeout(600_000);
  let folder: string;
  /** Why there are no sanitizers; `undefined` if there are. */
  let unsanitized: string | undefined;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "reviewkd-readers-"));
    unsanitized = await buildHarness(BUILD, [`-DREVIEWKD_SANITIZE=${SANITIZERS}`]);
    if (unsanitized === undefined) return;
    // Without the sanitizer runtimes, the readers are still tested.
    expect(await buildHarness(BUILD, ["-DREVIEWKD_SANITIZE="]), "the harness builds").to.equal(undefined);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function probe(content: Uint8Array): Promise<{ code: string; tensors: number; peakKiB: number }> {
    const path = join(folder, "file");
    await writeFile(path, content);
    const { status, stdout, output } = await run(join(BUILD, "probe"), [path]);
    expect(status, output).to.equal(0);
    return JSON.parse(stdout) as Awaited<ReturnType<typeof probe>>;
  }

  const LIMIT_KIB = 100 * 1024;

  it("reject each hostile file with its code in less than 100 MiB of memory", async () => {
    for (const { what, code, content } of HOSTILE_FILES) {
      const { code: actual, peakKiB } = await probe(content);
      expect(actual, what).to.equal(code);
      expect(peakKiB, what).to.be.below(LIMIT_KIB);
    }
  });

  it("stay below 100 MiB for the largest accepted files", async () => {
    const entry = (index: number): string => `"${index}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`;
    const records = Array.from({ length: 60_000 },
      (_, index) => ({ name: `a/data/${index}`, content: new Uint8Array(0) }));
    const repeated = (count: number, part: (index: number) => Buffer): Buffer =>
      Buffer.concat(Array.from({ length: count }, (_, index) => part(index)));
    const named = repeated(15_000, (index) => bytes(text(`layer.${index}.weight`), tensor()));
    const files: [what: string, content: Uint8Array][] = [
      ["a header of 100,000 tensors",
        buildSafetensors(`{${Array.from({ length: 99_999 }, (_, index) => entry(index)).join(",")}}`, 0)],
      ["a header of 290,000 tensors",
        buildSafetensors(`{${Array.from({ length: 290_000 }, (_, index) => entry(index)).join(",")}}`, 0)],
      ["a header of metadata", buildSafetensors(
        `{"__metadata__":{${Array.from({ length: 399_000 }, (_, index) => `"${index}":"${"x".repeat(26)}"`).join(",")}}}`,
        0,
      )],
      ["an archive of 60,000 records",
        zip([...records, { name: "a/data.pkl",
          content: pickle(dict(text("w"), tensor({ elements: 0, shape: [0] }))) }])],
      ["a pickle of 15,000 tensors", archive(pickle(dict(named)))],
      ["a pickle of 8 MB, all values", archive(pickle(Buffer.alloc(2 ** 23 - 4, bytes("N0"))))],
      ["a pickle of numbers by name", archive(
        pickle("}", text("w"), tensor(), "s", repeated(190_000, (index) => bytes(text(`number ${index}`), "K\x01s"))),
      )],
      ["a pickle of lists", archive(pickle("(", repeated(190_000, () => bytes("NN\x86")), "l"))],
      ["a pickle of 14,000 arrays",
        pickle(dict(repeated(14_000, (index) => bytes(text(`layer.${index}.weight`), array()))))],
      ["a pickle of an array of 128 MiB",
        pickle(dict(text("w"), array({ code: "u1", shape: [2 ** 27], elements: binary(Buffer.alloc(2 ** 27)) })))],
      ["a pickle of an array of 64 MiB as text", pickle(
        dict(text("w"),
          array({ code: "u1", shape: [2 ** 26],
            elements: bytes(global("_codecs", "encode"), tuple(text("x".repeat(2 ** 26)), text("latin1")), "R") })),
      )],
      ["a pickle with all of its memo", archive(pickle(repeated(190_000, (index) => bytes("]r", u32(index)))))],
    ];
    for (const [what, content] of files) {
      const { code, peakKiB } = await probe(content);
      expect(code, what).to.be.oneOf(["none", "FILE_CORRUPT", "FILE_UNSUPPORTED"]);
      expect(peakKiB, what).to.be.below(LIMIT_KIB);
    }
  });

  describe("under fuzzing", () => {
    /** All replays run in parallel. */
    const replays = new Map<string, { readonly inputs: number; readonly ended: ReturnType<typeof run> }>();

    before(async () => {
      for (const reader of READERS) {
        const corpus = join(folder, reader);
        await unpackCorpus(reader, corpus);
        const inputs = (await readdir(corpus)).length;
        replays.set(reader, { inputs, ended: run(join(BUILD, "replay"), [reader, String(MUTATIONS), corpus]) });
      }
    });

    for (const reader of READERS) {
      it(`the ${reader} reader survives the corpus and ${MUTATIONS} mutations`, async () => {
        const { inputs, ended } = replays.get(reader)!;
        expect(inputs, "committed inputs").to.be.above(20);
        const { status, stdout, output } = await ended;
        expect(status, `${output}\nthe input is in ${folder}/last-${reader}`).to.equal(0);
        const counts = JSON.parse(stdout) as { replayed: number; accepted: number; changed: number;
          changedAccepted: number };
        expect(counts.replayed).to.equal(inputs);
        // Inputs that are all rejected early would test nothing.
        expect(counts.accepted).to.be.above(0);
        expect(counts.changedAccepted).to.be.within(1, counts.changed - 1);
      });
    }
  });

  it("under AddressSanitizer and UndefinedBehaviorSanitizer", function () {
    if (unsanitized === undefined) return;
    console.warn(
      `      the corpus was replayed WITHOUT sanitizers, because their runtimes are missing here:\n${unsanitized}`,
    );
    this.skip();
  });
});
