// The CUDA device's kernels, run thread by thread on this processor by the host emulation plugin: the same
// arithmetic, the same path through dispatch, autograd and session. Tests that need a GPU are in test/gpu.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { expect } from "chai";

const HOST_EMULATION = resolve("build/Release/reviewkd_host_emulation.so");

interface Child {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function withPlugin(plugin: string, parameters: readonly string[]): Child {
  return spawnSync(process.execPath, parameters, { env: { ...process.env, REVIEWKD_CUDA_PLUGIN: plugin },
    encoding: "utf8" });
}

/** The plugin's entry in `doctor --json`. */
function pluginOf(path: string): Record<string, unknown> {
  const { stdout, stderr } = withPlugin(path, ["dist/cli/main.js", "doctor", "--json"]);
  const event = stdout.split("\n").find((line) => line.includes('"doctor"'));
  expect(event, stderr).to.be.a("string");
  return (JSON.parse(event!) as { cuda: { plugin: Record<string, unknown> } }).cuda.plugin;
}

describe("the kernels for CUDA devices, on the CPU", function () {
  this.timeout(900_000);

  it("are loaded from the specified plugin", () => {
    expect(existsSync(HOST_EMULATION), HOST_EMULATION).to.equal(true);
    expect(pluginOf(HOST_EMULATION)).to.deep.equal({ loaded: true, path: HOST_EMULATION, builtFor: "the host",
      reason: null, fix: null });
  });

  it("report a missing plugin", () => {
    const plugin = pluginOf("/nowhere/reviewkd_cuda.so");
    expect(plugin).to.include({ loaded: false, path: null });
    expect(plugin["reason"]).to.equal("there is no /nowhere/reviewkd_cuda.so, which REVIEWKD_CUDA_PLUGIN names");
    expect(plugin["fix"]).to.include("npm run build:cuda");
    const { stdout } = withPlugin("/nowhere/reviewkd_cuda.so", ["dist/cli/main.js", "doctor"]);
    expect(stdout).to.match(
      /^CUDA plugin +not used: there is no .*; CUDA works without its kernels, but slower\. To fix it: npm /m,
    );
  });

  it("report a file that is not a plugin", () => {
    const other = resolve("build/Release/preload.node");
    const plugin = pluginOf(other);
    expect(plugin).to.include({ loaded: false, path: other });
    expect(plugin["reason"]).to.match(
      /could not be loaded: |invalid plugin: expected a function reviewkd_kernel_backend, received none/,
    );
  });

  // Each of these compares fast paths with references, gradients and values found by hand: here, with the device's
  // kernels.
  const SUITES = [
    "test/unit/ops/conv-norm.test.ts",
    "test/unit/ops/review-operations.test.ts",
    "test/unit/ops/device-batches.test.ts",
    "test/gpu/tensor-convolution.test.ts",
    "test/unit/training/sgd.test.ts",
    "test/unit/training/non-finite.test.ts",
    "test/unit/training/clipping.test.ts",
    "test/unit/training/accumulation.test.ts",
    "test/unit/training/resume.long.test.ts",
    "test/unit/training/evaluation.test.ts",
    "test/unit/training/own-loop.test.ts",
    "test/unit/training/determinism.test.ts",
    "test/unit/training/bad-batches.test.ts",
    "test/gpu/training.test.ts",
    "test/gpu/process-group.test.ts",
    "test/gpu/faults.test.ts",
  ];
  /** Thread by thread, some of this file's pairs take long. */
  const PAIRS = "test/unit/ops/fast-path.long.test.ts";
  const SHORT_PAIRS = "small ResNet|Wide ResNet|odd sizes|VGG|fill no vector|every stage|train mode|same bits";

  interface Outcome {
    readonly passed: ReadonlyMap<string, number>;
    readonly failures: readonly { readonly file: string; readonly title: string; readonly message: string }[];
  }

  describe("pass", () => {
    let outcomes: Outcome[];
    let directory: string;

    /** Runs test files in one process, because libtorch and the loader take longer to start than most of them. */
    function runSuites(name: string, parameters: readonly string[]): Outcome {
      const output = join(directory, name);
      const { stdout, stderr } = withPlugin(HOST_EMULATION, ["node_modules/mocha/bin/mocha.js", ...parameters,
        "--reporter", "json", "--reporter-option", `output=${output}`]);
      expect(existsSync(output), `${stdout}\n${stderr}`).to.equal(true);
      interface Test {
        readonly file: string;
        readonly fullTitle: string;
        readonly err: { readonly stack?: string; readonly message?: string };
      }
      const { passes, failures } = JSON.parse(readFileSync(output, "utf8")) as { readonly passes: readonly Test[];
        readonly failures: readonly Test[] };
      const passed = new Map<string, number>();
      for (const { file } of passes) passed.set(relative(".", file), (passed.get(relative(".", file)) ?? 0) + 1);
      return { passed,
        failures: failures.map(({ file, fullTitle, err }) => ({ file: relative(".", file), title: fullTitle,
          message: err.stack ?? err.message ?? "" })
        ) };
    }

    before(() => {
      directory = mkdtempSync(join(tmpdir(), "reviewkd-device-kernels-"));
      outcomes = [runSuites("suites.json", SUITES), runSuites("pairs.json", [PAIRS, "--grep", SHORT_PAIRS])];
    });
    after(() => {
      rmSync(directory, { recursive: true, force: true });
    });

    for (const file of [...SUITES, PAIRS]) {
      it(file, () => {
        const failed = outcomes.flatMap(({ failures }) => failures).filter((failure) => failure.file === file);
        expect(failed.map(({ title, message }) => `${title}: ${message}`).join("\n")).to.equal("");
        expect(outcomes.some(({ passed }) => (passed.get(file) ?? 0) > 0), "tests that passed").to.equal(true);
      });
    }
  });
});
