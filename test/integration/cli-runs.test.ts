import { readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { FaultyFiles } from "./fit-programs.js";
import { fail, jsonEvents, reviewkd, start, succeed, useDirectory, TINY } from "./helpers.js";

const WORDS = ["train", "--model", "resnet8", ...TINY, "--seed", "1"] as const;

describe("command line: run directories", () => {
  const directory = useDirectory();
  let files: FaultyFiles;
  before(() => {
    files = new FaultyFiles();
  });
  after(() => {
    files.remove();
  });
  const at = (...names: string[]): string => join(directory.path, ...names);

  it("report their owner to a second process, and are free after the first was killed", async () => {
    const running = start([...WORDS, "--epochs", "1000", "--run", at("busy"), "--json"]);
    await running.until(/"type":"epoch"/);
    for (const words of [["--resume"], ["--resume", "--force-unlock"], []]) {
      const message = await fail(["train", "--model", "resnet8", "--run", at("busy"), ...words], { exit: 1,
        code: "RUN_LOCKED" });
      expect(message).to.include(`process ${running.child.pid} on ${hostname()} (since 20`).and.to.include(at("busy"));
    }
    running.child.kill("SIGKILL");
    expect((await running.finished).signal).to.equal("SIGKILL");
    expect(await readdir(at("busy")), "files after a kill").to.include("run.lock");
    const next = start(["train", "--run", at("busy"), "--resume", "--json"]);
    await next.until(/"type":"resumed"/);
    next.child.kill("SIGTERM");
    expect((await next.finished).code).to.equal(130);
    expect(await readdir(at("busy"))).to.not.include("run.lock");
  });

  it("on a file system without locks depend on whether the recorded owner runs", async () => {
    const env = files.environment(at("lockless"), ["lock * 0 ENOLCK"]);
    const running = start([...WORDS, "--epochs", "1000", "--run", at("lockless"), "--json"], { env });
    await running.until(/"type":"epoch"/);
    const message = await fail(["train", "--run", at("lockless"), "--resume"], { exit: 1, code: "RUN_LOCKED" }, {
      env,
    });
    expect(message).to.include(`process ${running.child.pid} on ${hostname()}`);
    running.child.kill("SIGKILL");
    await running.finished;
    // Its process id may be reused by another process with another start time.
    const holder = JSON.parse(await readFile(at("lockless", "run.lock"), "utf8")) as { pid: number;
      startTicks: number };
    expect(holder.pid).to.equal(running.child.pid);
    expect(holder.startTicks).to.be.a("number");
    for (const taken of [holder, { ...holder, pid: process.pid }]) {
      await writeFile(at("lockless", "run.lock"), JSON.stringify(taken));
      const next = start(["train", "--run", at("lockless"), "--resume", "--json"], { env });
      await next.until(/"type":"resumed"/);
      next.child.kill("SIGKILL");
      await next.finished;
    }
  });

  it("of another machine are taken over only by force", async () => {
    await succeed([...WORDS, "--epochs", "1", "--run", at("elsewhere")]);
    await writeFile(at("elsewhere", "run.lock"),
      JSON.stringify({ pid: 7, startTicks: 1, host: "elsewhere.invalid", bootId: "x",
        since: "2020-01-01T00:00:00.000Z" }));
    const message = await fail(["train", "--run", at("elsewhere"), "--resume"], { exit: 1, code: "RUN_LOCKED" });
    expect(message).to.include("elsewhere.invalid").and.to.include("--force-unlock");
    await succeed(["train", "--run", at("elsewhere"), "--resume", "--force-unlock"]);
  });

  it("begin and resume by one command: --resume auto", async () => {
    const words = [...WORDS, "--epochs", "1", "--run", at("auto"), "--json", "--resume", "auto"];
    const typesOf = async (): Promise<string[]> => jsonEvents((await succeed(words)).stdout).map(({ type }) => type);
    expect(await typesOf()).to.include("epoch").and.not.include("resumed");
    expect(await typesOf()).to.deep.equal(["start", "resumed", "end"]);
    const message = await fail(["train", "--model", "resnet8", "--resume", "last.safetensors"], { exit: 2,
      code: "INVALID_ARGUMENT" });
    expect(message).to.include('invalid --resume: expected auto, or nothing after it, received "last.safetensors".')
      .and.to.include("--run");
  });

  it("with a damaged checkpoint resume from the previous one, and report it", async () => {
    await succeed([...WORDS, "--epochs", "2", "--run", at("damaged")]);
    await truncate(at("damaged", "last.safetensors"), 50_000);
    const { stderr, stdout } = await succeed(["train", "--run", at("damaged"), "--resume"]);
    expect(stderr).to.include(`cannot use ${at("damaged", "last.safetensors")}: `).and.to.include(
      `resuming from ${at("damaged", "previous.safetensors")}, the previous checkpoint`,
    );
    expect(stdout).to.include("resuming at epoch 2");
  });

  it("reject changed settings with the differences, and record those that --override allows", async () => {
    await succeed([...WORDS, "--epochs", "1", "--run", at("changed")]);
    const words = ["train", "--run", at("changed"), "--resume", "--epochs", "2", "--learning-rate", "0.01"];
    const message = await fail(words, { exit: 1, code: "RUN_MISMATCH" });
    expect(message).to.include("training.epochs: was 1, now 2").and.to.include(
      "training.optimizer.learningRate: was 0.02, now 0.01",
    ).and.to.include("--override");
    const { stderr } = await succeed([...words, "--override"]);
    expect(stderr).to.include(
      "settings changed (recorded in config-history.jsonl): training.optimizer.learningRate: was 0.02, now 0.01; training.epochs: was 1, now 2",
    );
    const history = (await readFile(at("changed", "config-history.jsonl"), "utf8")).trimEnd().split("\n");
    expect(history).to.have.lengthOf(1);
    const events = jsonEvents((await succeed(["train", "--run", at("changed"), "--resume", "--json"])).stdout);
    expect(events.map(({ type }) => type)).to.deep.equal(["start", "resumed", "end"]);
  });

  it("keep the newest periodic checkpoints", async () => {
    await succeed([...WORDS, "--epochs", "5", "--checkpoint-every", "1", "--keep-checkpoints", "2",
      "--checkpoint-minutes", "0.5", "--run", at("kept")]);
    expect((await readdir(at("kept"))).filter((name) => name.startsWith("epoch-"))).to.deep.equal([
      "epoch-0004.safetensors",
      "epoch-0005.safetensors",
    ]);
  });

  it("that cannot be written are reported; the training continues, and exits with 1 if retries fail", async () => {
    const env = files.environment(at("full"), ["write .safetensors 500000 ENOSPC"]);
    const { code, stdout, stderr } = await reviewkd([...WORDS, "--epochs", "3", "--run", at("full")], { env });
    expect(code).to.equal(1);
    expect(stdout).to.match(/^ +3\/3 /m);
    expect(stderr).to.match(
      /^cannot save (\w+, )*\w+: .*No space left on device\..* Training continues in memory; the next checkpoint retries\.$/m,
    );
    expect(stderr).to.match(/Retrying in .*\n.*Retrying in .*\n.*Retrying in /);
    expect(stderr).to.include("error [SAVE_FAILED]: ").and.not.match(/^\s+at /m);
  });
});
