// Processes that cannot train together say why, all of them, and end.
import { once } from "node:events";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { freePort } from "../../../lib/distributed/free-port.js";
import { cifarRecords } from "../../support/cifar-records.js";
import { writeFiles, writeImageFolder } from "../../support/image-files.js";
import { TINY, useDirectory, type Finished } from "../helpers.js";
import { allFinished, errorsOf, startOne, startRanks, textOf, variablesOf, type Command } from "./ranks.js";
import { untilListening } from "./signals.js";

const SECONDS = 4;
const TRAIN = ["train", "--model", "resnet8", ...TINY, "--epochs", "1", "--process-timeout", String(SECONDS)] as const;

describe("processes that meet", function () {
  this.timeout(120_000);
  const directory = useDirectory();
  let runs = 0;
  const newRun = (): string => join(directory.path, `run-${++runs}`);

  /** Starts processes of these ranks and sizes at one port. */
  async function startPlaces(places: readonly (readonly [rank: number, size: number])[], words: readonly string[],
    port?: number): Promise<Finished[]> {
    const at = port ?? await freePort();
    return allFinished(places.map(([rank, size]) => startOne({ words, env: variablesOf(rank, size, at) })));
  }

  const codesOf = (results: readonly Finished[]): string[] =>
    results.map((result) => errorsOf(result).map(({ code }) => code).join(" "));

  /** Each of the processes has this error, or an exit code that says that another one reports it. */
  function expectCodes(results: readonly Finished[], codes: readonly string[]): void {
    expect(codesOf(results), textOf(results)).to.deep.equal(codes);
    expect(results.map(({ code }) => code), textOf(results)).to.deep.equal(results.map(() => 1));
    expect(textOf(results)).to.not.match(/^\s+at /m);
  }

  it("name those that do not come", async () => {
    const run = newRun();
    const results = await startPlaces([[0, 3], [1, 3]], [...TRAIN, "--run", run]);
    expectCodes(results, ["PROCESSES_MISSING", "PROCESSES_MISSING"]);
    for (const { stderr } of results)
      expect(stderr).to.include(`expected 3 at 127.0.0.1:`).and.include("received 2; none came with rank 2");
    expect(existsSync(run)).to.equal(false);
  });

  it("say that the first one cannot be reached", async () => {
    const results = await startPlaces([[1, 2]], [...TRAIN, "--run", newRun()]);
    expectCodes(results, ["MASTER_UNREACHABLE"]);
    expect(results[0]?.stderr).to.include("MASTER_ADDR");
  });

  it("say that their port belongs to another program", async () => {
    const server = createServer((socket) => socket.on("error", () => undefined));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    try {
      const results = await startPlaces([[0, 2], [1, 2]], [...TRAIN, "--run", newRun()], port);
      expectCodes(results, ["PORT_IN_USE", "MASTER_UNREACHABLE"]);
      expect(results[0]?.stderr).to.include(`invalid port ${port}`);
    } finally {
      server.close();
    }
  });

  it("refuse a second one of the same rank", async () => {
    const results = await startPlaces([[0, 3], [1, 3], [1, 3]], [...TRAIN, "--run", newRun()]);
    expectCodes(results, ["PROCESSES_DIFFER", "PROCESSES_DIFFER", "PROCESSES_DIFFER"]);
    for (const { stderr } of results)
      expect(stderr).to.include("invalid rank 1 of process").and.include("expected one of its own");
  });

  it("refuse others of another number of processes", async () => {
    const results = await startPlaces([[0, 2], [1, 3]], [...TRAIN, "--run", newRun()]);
    expectCodes(results, ["PROCESSES_DIFFER", "PROCESSES_DIFFER"]);
    expect(results[0]?.stderr).to.include("invalid number of processes").and.include("received 3 for rank 1");
    expect(results[1]?.stderr).to.include("WORLD_SIZE");
  });

  it("refuse others of another version", async () => {
    const results = await allFinished(
      await startRanks(2, (rank) => ({ program: "join.mjs", words: [`reviewkd 0.${rank}.0`, String(SECONDS)] })),
    );
    expectCodes(results, ["PROCESSES_DIFFER", "PROCESSES_DIFFER"]);
    expect(results[0]?.stdout).to.include("invalid version: expected reviewkd 0.0.0 as of rank 0")
      .and.include("received reviewkd 0.1.0 of rank 1");
  });

  it("refuse a network interface that is not there", async () => {
    const command = (rank: number): Command => ({ program: "loop.mjs", words: ["texts", "100"],
      env: rank === 0 ? {} : { GLOO_SOCKET_IFNAME: "none0" } });
    const results = await allFinished(await startRanks(2, command));
    expect(results.map(({ code }) => code), textOf(results)).to.deep.equal([1, 1]);
    expect(results[1]?.stderr).to.include("PROCESS_ENVIRONMENT").and.include(
      'invalid environment variable GLOO_SOCKET_IFNAME: expected a network interface of this machine with an address, received "none0"',
    );
    expect(results[0]?.stderr).to.match(/rank 1 \(.* ended with PROCESS_ENVIRONMENT: .*none0/);
  });

  it("refuse other flags, each of which they name", async () => {
    const run = newRun();
    const flags = ["--run", run, "--seed"];
    const results = await allFinished(await startRanks(2, (rank) => ({ words: [...TRAIN, ...flags, String(rank)] })));
    expect(results.map(({ code }) => code), textOf(results)).to.deep.equal([1, 1]);
    // The first one prints what all have in common.
    expect(codesOf(results), textOf(results)).to.deep.equal(["PROCESSES_DIFFER", ""]);
    expect(results[0]?.stderr).to.include("settings.training.seed: 0 in rank 0").and.include("1 in rank 1");
    expect(existsSync(run)).to.equal(false);
  });

  const differing: readonly (readonly [what: string, expected: RegExp, of: (rank: number) => object])[] = [
    ["options", /training\.batchSize: 16 in rank 0 .*, 8 in rank 1/,
      (rank) => ({ fit: { batchSize: 16 / (1 + rank) } })],
    ["numbers of images", /data\.train\.images: 64 in rank 0 .*, 65 in rank 1/,
      (rank) => ({ data: { trainSamples: 64 + rank } })],
    ["files of data sets", /data\.train\.content: ".*" in rank 0/,
      (rank) => ({ data: { kind: "cifar100", root: join(directory.path, `cifar-${rank}`) } })],
    ["lists of files", /data\.(train|test)\.content: ".*" in rank 0/,
      (rank) => ({ data: { kind: "image-folder", imageSize: 16, root: join(directory.path, `folder-${rank}`) } })],
  ];
  for (const [what, expected, of] of differing) {
    it(`refuse other ${what}`, async () => {
      for (const rank of [0, 1]) {
        await writeFiles(join(directory.path, `cifar-${rank}`), {
          "train.bin": cifarRecords(100, 1 + rank),
          "test.bin": cifarRecords(100),
        });
        const folder = join(directory.path, `folder-${rank}`);
        if (existsSync(folder)) continue;
        await writeImageFolder(folder, { cup: { train: 3, val: 2 }, fork: { train: 3, val: 2 } });
        if (rank === 1) await writeFile(join(folder, "train", "cup", "more.jpg"), "");
      }
      const command = (rank: number): Command => ({ program: "train.mjs",
        words: [JSON.stringify([{ name: what, ...of(rank) }]), String(SECONDS)] });
      const results = await allFinished(await startRanks(2, command));
      expectCodes(results, ["PROCESSES_DIFFER", "PROCESSES_DIFFER"]);
      for (const result of results) expect(errorsOf(result)[0]?.message).to.match(expected);
    });
  }

  it("stop waiting for others on Ctrl-C", async function () {
    if (process.platform !== "linux") this.skip();
    for (const rank of [0, 1]) {
      const words = [...TRAIN.slice(0, -1), "100", "--run", newRun()];
      const running = startOne({ words, env: variablesOf(rank, 2, await freePort()) });
      await untilListening(running);
      running.child.kill("SIGINT");
      const result = await running.finished;
      expect(result.code, textOf([result])).to.equal(130);
    }
  });
});
