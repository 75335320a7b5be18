// Other tests run most commands in mocha's process, from lib and on the tests' addon. Here each, or one of its
// subcommands, runs once as users run it: the built program, on the published addon, in a process that has to end by
// itself.
import { join } from "node:path";
import { expect } from "chai";
import { buildProgram } from "../../lib/cli/program.js";
import { createDetector } from "../../lib/index.js";
import { picture, writeFiles } from "../support/image-files.js";
import { jsonEvents, reviewkd, start, useDirectory, TINY } from "./helpers.js";

describe("command line: processes", function () {
  this.timeout(600_000);
  const directory = useDirectory();

  it("end by themselves, and print their events and nothing else", async () => {
    const inside = (name: string): string => join(directory.path, name);
    const [teacher, student] = [inside("teacher/student.safetensors"), inside("student/student.safetensors")];
    const data = TINY.slice(0, 2);
    const networks = ["--teacher", "resnet8", "--teacher-weights", teacher, "--student", "resnet8"];
    await writeFiles(directory.path, { "photo.png": await picture(48, 40).png().toBuffer() });
    using detector = await createDetector("faster-rcnn-resnet18-fpn", { detection: { norm: "frozen" } });
    await detector.save(inside("detector.safetensors"));
    // Each with the type of its last event; later ones read what earlier ones wrote.
    const commands: readonly (readonly [last: string, ...words: string[]])[] = [
      ["end", "train", "--model", "resnet8", ...TINY, "--epochs", "1", "--run", inside("teacher")],
      ["end", "distill", ...networks, ...TINY, "--epochs", "1", "--warmup-epochs", "0", "--run", inside("student")],
      ["evaluation", "eval", "--weights", student, ...data],
      ["predicted", "predict", student, inside("photo.png")],
      ["detected", "detect", inside("photo.png"), "--weights", inside("detector.safetensors"), "--min-size", "64",
        "--out", inside("found")],
      ["weights", "inspect", student],
      ["converted", "convert", student, inside("student.pth")],
      ["exported", "export", inside("student"), inside("exported.safetensors")],
      ["study-end", "study", "seeds", ...networks, ...TINY, "--epochs", "1", "--method", "kd", "--seeds", "0",
        "--study", inside("study")],
      ["demo", "demo", "--quick"],
      ["end", "launch", "--processes", "1", "--", "train", "--model", "resnet8", ...TINY, "--epochs", "1", "--run",
        inside("launched")],
      ["models", "models"],
      ["presets", "presets"],
      ["doctor", "doctor"],
      ["libtorch-list", "libtorch", "list"],
      ["data", "data", "info", data[1]!],
    ];
    // `work` takes jobs of a Redis, which study-queue.test.ts starts.
    expect([...commands.map(([, name]) => name), "work"]).to.have.members(
      buildProgram().commands.map((command) => command.name()),
    );

    for (const [last, ...words] of commands) {
      const { child, finished } = start([...words, "--json"], { cwd: directory.path });
      const deadline = setTimeout(() => child.kill("SIGKILL"), 120_000);
      const { code, signal, stdout, stderr } = await finished;
      clearTimeout(deadline);
      expect({ code, signal, stderr }, `${words.join(" ")}\n${stdout}`).to.deep.equal({ code: 0, signal: null,
        stderr: "" });
      expect(jsonEvents(stdout).at(-1)?.type, words.join(" ")).to.equal(last);
    }
  });

  it("are not interactive if run by a test whose own output is a terminal", async () => {
    const before = process.stdout.isTTY;
    process.stdout.isTTY = true;
    try {
      const { stdout } = await reviewkd(["train", "--model", "resnet8", ...TINY, "--epochs", "1", "--run",
        join(directory.path, "terminal")]);
      expect(stdout).to.include("top-1, last epoch").and.not.match(/[\u001b\r]/);
      expect(process.stdout.isTTY).to.equal(true);
    } finally {
      process.stdout.isTTY = before;
    }
  });

  it("run one at a time in the tests' process", async () => {
    const first = reviewkd(["presets"]);
    const second = await reviewkd(["models"]).catch((error: unknown) => error as Error);
    expect(second).to.be.instanceOf(Error).with.property("message").that.includes("`models` while `presets` runs");
    expect((await first).code).to.equal(0);
  });
});
