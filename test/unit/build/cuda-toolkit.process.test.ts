import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { defaultToolkit, ensureCudaToolkit, type ToolkitPins as Pins } from "../../../scripts/cuda/toolkit.js";
import { platformName } from "../../../lib/install/cache.js";
import { pathWithoutTorch, useTemporaryDirectory, writeFiles, writeWheel,
  type Wheel } from "../lib/install/fake-libtorch.js";

// The real pip runs here, on wheels in a local directory.
describe("ensureCudaToolkit", () => {
  const directory = useTemporaryDirectory();
  let lines: string[];
  beforeEach(() => {
    lines = [];
  });

  const progress = (line: string): void => {
    lines.push(line);
  };
  const wheels = (): string => join(directory(), "wheels");
  const env = (): NodeJS.ProcessEnv => ({
    ...process.env,
    PATH: pathWithoutTorch(directory()),
    REVIEWKD_CACHE: join(directory(), "cache"),
    PIP_CONFIG_FILE: "/dev/null",
    PIP_NO_INDEX: "1",
    PIP_QUIET: "1",
    PIP_FIND_LINKS: wheels(),
  });
  const compiler = (name = "nvcc"): Wheel =>
    writeWheel(wheels(), "nvidia_cuda_nvcc-13.0.88", { [`nvidia/cu13/bin/${name}`]: Buffer.from("#!/bin/sh\n"),
      "nvidia/cu13/include/nv/target": Buffer.from(""), "nvidia/cu13/include/cccl/nv/target": Buffer.from("twice"),
      "nvidia/other/lib/unwanted.so": Buffer.from("no") });
  const pins = (sha256: string): Pins => ({
    toolkit: "13.0.88",
    pythonVersion: "3.12",
    platforms: {
      [platformName]: { variant: "cu130", tags: ["manylinux_2_17_x86_64"],
        wheels: { "nvidia-cuda-nvcc==13.0.88": sha256 }, diskMegabytes: 1 },
    },
  });
  const codeOf = async (wanted: Pins): Promise<string> => {
    const outcome = await ensureCudaToolkit({ env: env(), progress }, wanted).then(() => undefined,
      (error: unknown) => error as { code: string });
    expect(outcome, "an error").to.be.an("error");
    return outcome!.code;
  };

  it("unpacks the compiler into the cache, and once", async () => {
    const { sha256 } = compiler();
    const found = await ensureCudaToolkit({ env: env(), progress }, pins(sha256));
    expect(found).to.equal(join(directory(), "cache", "cuda-toolkit", `13.0.88-${platformName}`, "nvidia", "cu13"));
    expect(readFileSync(join(found, "bin", "nvcc"), "utf8")).to.equal("#!/bin/sh\n");
    expect(existsSync(join(found, "..", "other"))).to.equal(false);
    expect(readdirSync(join(found, "include"))).to.deep.equal(["nv"]);
    const fetched = lines.length;
    expect(fetched).to.be.greaterThan(0);
    const { mtimeMs } = statSync(join(found, "bin", "nvcc"));
    expect(await ensureCudaToolkit({ env: env(), progress }, pins(sha256))).to.equal(found);
    expect(lines).to.have.length(fetched);
    expect(statSync(join(found, "bin", "nvcc")).mtimeMs).to.equal(mtimeMs);
  });

  it("rejects a wheel with another hash, and leaves nothing behind", async () => {
    compiler();
    expect(await codeOf(pins("0".repeat(64)))).to.equal("CHECKSUM_MISMATCH");
    expect(readdirSync(join(directory(), "cache", "cuda-toolkit")).filter((name) => name !== ".lock")).to.deep.equal(
      [],
    );
  });

  it("reports wheels without a compiler", async () => {
    expect(await codeOf(pins(compiler("ptxas").sha256))).to.equal("FILE_CORRUPT");
  });

  it("reports a platform without pins", async () => {
    expect(await codeOf({ ...pins(""), platforms: {} })).to.equal("CUDA_UNAVAILABLE");
  });

  it("replaces a compiler that an earlier version of this package downloaded, without headers", async () => {
    const { sha256 } = compiler();
    const entry = join(directory(), "cache", "cuda-toolkit", `13.0.88-${platformName}`);
    writeFiles(entry, { "nvidia/cu13/bin/nvcc": "old" });
    const found = await ensureCudaToolkit({ env: env(), progress }, pins(sha256));
    expect(readFileSync(join(found, "bin", "nvcc"), "utf8")).to.equal("#!/bin/sh\n");
  });

  it("pins compiler, its parts, the runtime and headers by hash", () => {
    const { wheels: pinned } = defaultToolkit.platforms["linux-x64"]!;
    expect(Object.keys(pinned).map((name) => name.split("==")[0])).to.deep.equal(["nvidia-cuda-nvcc", "nvidia-cuda-crt",
      "nvidia-nvvm", "nvidia-cuda-runtime", "nvidia-cuda-cccl"]);
    expect(Object.values(pinned).every((hash) => /^[0-9a-f]{64}$/.test(hash))).to.equal(true);
  });
});
