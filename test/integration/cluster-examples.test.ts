import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";
import { parse } from "yaml";
import { pythonWithTorch } from "../support/python-torch.js";
import { hasSlurm, Slurm } from "../support/slurm.js";
import { jsonEvents, succeed, TINY, useDirectory } from "./helpers.js";

const run = promisify(execFile);
const examples = fileURLToPath(new URL("../../examples/cluster", import.meta.url));
const program = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const SCRIPTS = ["torchrun.sh", "train.sbatch"] as const;

interface Replica {
  readonly replicas: number;
  readonly restartPolicy: string;
  readonly template: {
    readonly spec: { readonly containers: readonly { readonly name: string; readonly command: readonly string[] }[] };
  };
}

const textOf = (name: string): string => readFileSync(join(examples, name), "utf8");

/** The pods of the Kubernetes job. */
const replicas = (): Readonly<Record<string, Replica>> =>
  (parse(textOf("pytorchjob.yaml")) as { spec: { pytorchReplicaSpecs: Record<string, Replica> } }).spec
    .pytorchReplicaSpecs;

/** The words after the program's name, with those of the following lines that belong to it. */
function wordsOf(name: string): string[] {
  if (name.endsWith(".yaml")) return [...replicas()["Master"]?.template.spec.containers[0]?.command ?? []].slice(1);
  const joined = textOf(name).replaceAll("\\\n", " ");
  return /node_modules\/\.bin\/reviewkd (.*?) "\$@"$/m.exec(joined)?.[1]?.split(/\s+/) ?? [];
}

describe("the examples for clusters", function () {
  this.timeout(180_000);
  this.slow(30_000);
  const directory = useDirectory();

  /** A project in which the package is installed, with a teacher. */
  async function project(): Promise<string> {
    const path = join(directory.path, "project");
    if (existsSync(path)) return path;
    mkdirSync(join(path, "node_modules", ".bin"), { recursive: true });
    symlinkSync(program, join(path, "node_modules", ".bin", "reviewkd"));
    await succeed(["train", "--model", "resnet8", ...TINY, "--epochs", "1", "--run", join(path, "runs", "tiny")]);
    return path;
  }
  /** Options that make a small training of the one in the files. */
  const small = (name: string,
    epochs: number): string[] => ["--teacher", "resnet8", "--teacher-weights", "runs/tiny/student.safetensors",
    "--student", "resnet8", ...TINY, "--epochs", String(epochs), "--run", `runs/${name}`, "--json"];

  it("of studies show how they are used if they are started without what they need", () => {
    for (const [script, ...words] of [["submit-study.sh"], ["submit-study.sh", "--kind", "seeds"], [
      "study-array.sbatch",
    ], ["study-array.sbatch", "runs/seeds"]] as const) {
      const env = { ...process.env, SLURM_ARRAY_TASK_ID: "" };
      const { status, stderr, stdout } = spawnSync("bash", [join(examples, script), ...words], { encoding: "utf8",
        env });
      expect(status, stdout).to.equal(2);
      expect(stderr).to.match(/^usage: .*DIRECTORY/).and.not.include("unbound variable");
    }
  });

  it("are listed in their README", () => {
    for (const name of readdirSync(examples).filter((each) => each !== "README.md"))
      expect(textOf("README.md"), name).to.include(`](${name})`);
  });

  for (const name of [...SCRIPTS, "pytorchjob.yaml"]) {
    it(`${name} uses options that exist, and resumes by itself`, async () => {
      const [command = "", ...words] = wordsOf(name);
      expect(command).to.equal("distill");
      const { stdout } = await succeed([command, "--help"]);
      const flags = words.filter((word) => word.startsWith("--")).map((word) => word.split("=", 1)[0] ?? "");
      expect(flags).to.include.members(["--preset", "--data", "--run", "--resume"]);
      for (const flag of flags) expect(stdout, flag).to.match(new RegExp(`^ +${flag}\\b`, "m"));
      expect(words.join(" ")).to.match(/--resume[= ]auto/);
    });
  }

  it("are valid shell scripts", async () => {
    for (const name of SCRIPTS) await run("sh", ["-n", join(examples, name)]);
  });

  it("pytorchjob.yaml starts the same container in a master and its workers", () => {
    const { Master: master, Worker: worker } = replicas();
    expect(master?.replicas).to.equal(1);
    expect(worker?.template).to.deep.equal(master?.template);
    expect(master?.template.spec.containers.map(({ name }) => name)).to.deep.equal(["pytorch"]);
  });

  it("torchrun.sh saves on SIGTERM, continues where it was, and ends", async function () {
    const python = await pythonWithTorch();
    const torchrun = python?.includes("/") === true ? join(dirname(python), "torchrun") : undefined;
    if (torchrun === undefined || !existsSync(torchrun)) return this.skip();
    const cwd = await project();
    const env = { ...process.env, NODE_OPTIONS: "", GPUS: "2",
      PATH: `${dirname(torchrun)}:${dirname(process.execPath)}:${process.env["PATH"] ?? ""}` };
    const train = async (stopAt?: string): Promise<{ code: number | null; types: string[] }> => {
      const words = [join(examples, "torchrun.sh"), ...small("torchrun", 12)];
      const child = spawn("sh", words, { cwd, env, stdio: ["ignore", "pipe", "ignore"] });
      let stdout = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        if (stopAt !== undefined && !stdout.includes(stopAt) && `${stdout}${text}`.includes(stopAt)) child.kill();
        stdout += text;
      });
      const [code] = await once(child, "close") as [number | null];
      return { code, types: jsonEvents(stdout).map(({ type }) => type) };
    };
    const stopped = await train('"type":"epoch"');
    expect(stopped.code, "of torchrun").to.not.equal(0);
    expect(stopped.types).to.include("interrupted").and.not.include("resumed");
    const resumed = await train();
    expect(resumed).to.deep.include({ code: 0 });
    expect(resumed.types).to.include("resumed").and.include("end");
    expect(resumed.types.filter((type) => type === "epoch")).to.have.length.below(12);
  });

  it("train.sbatch saves on SIGUSR1, is queued again, and ends where it would have ended", async function () {
    if (!(await hasSlurm())) return this.skip();
    const cwd = await project();
    const slurm = await Slurm.start();
    try {
      // The machines of this SLURM have no names of their own.
      const flags = ["--export=ALL,MASTER_ADDR=127.0.0.1", "--nodes=2", "--ntasks-per-node=1", "--cpus-per-task=1",
        "--gres=none", "--output=job.log"];
      const { stdout } = await slurm.run("sbatch", ["--parsable", ...flags, join(examples, "train.sbatch"),
        ...small("slurm", 12)], { cwd });
      const id = stdout.trim();
      const log = (): string => (existsSync(join(cwd, "job.log")) ? readFileSync(join(cwd, "job.log"), "utf8") : "");
      while (!log().includes('"type":"epoch"')) await delay(50);
      await slurm.run("scancel", ["--signal=USR1", id]);
      const isOver = async (): Promise<boolean> =>
        ["COMPLETED", "FAILED", "CANCELLED", "NODE_FAIL"].includes((await slurm.job(id)).state);
      while (!(await isOver())) await delay(200);
      expect(await slurm.job(id), log().slice(-4000)).to.deep.equal({ state: "COMPLETED", exitCode: "0:0",
        restarts: 1 });
      const events = log().split("\n").filter((line) => line.startsWith("{")).map((line) =>
        JSON.parse(line) as { type: string; checkpoint?: string }
      );
      const types = events.map(({ type }) => type);
      expect(types.filter((type) => ["interrupted", "resumed", "end"].includes(type))).to.deep.equal(["interrupted",
        "resumed", "end"]);
      expect(types.filter((type) => type === "epoch")).to.have.length(12);
    } finally {
      await slurm.stop();
    }
  });
});
