import { existsSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { cacheEntry, platformName } from "../../../../lib/install/cache.js";
import { ensureLibTorch } from "../../../../lib/install/fetch.js";
import { mainLibraries } from "../../../../lib/install/libtorch-directory.js";
import { locateLibTorch } from "../../../../lib/install/locate.js";
import { fakeLibrary, fakeLibTorchFiles, pathWithoutTorch, useTemporaryDirectory, writeWheel,
  type Wheel } from "./fake-libtorch.js";

const PINNED = "2.14.1";

// The real pip runs here, on wheels in a local directory.
describe("ensureLibTorch", () => {
  const directory = useTemporaryDirectory();
  let lines: string[];

  beforeEach(() => {
    lines = [];
  });

  const progress = (line: string): void => {
    lines.push(line);
  };
  const wheels = (): string => join(directory(), "wheels");
  const cache = (): string => join(directory(), "cache");
  const offline = (): NodeJS.ProcessEnv => ({
    ...process.env,
    PATH: pathWithoutTorch(directory()),
    REVIEWKD_LIBTORCH: "",
    REVIEWKD_CACHE: cache(),
    PIP_CONFIG_FILE: "/dev/null",
    PIP_NO_INDEX: "1",
    PIP_QUIET: "1",
    PIP_FIND_LINKS: wheels(),
  });
  const entry = (variant: string): string => cacheEntry(offline(), PINNED, variant, platformName);
  const torchWheel = (version = PINNED, tamper: Record<string, Buffer> = {}): Wheel => {
    const files = Object.entries(fakeLibTorchFiles()).map(([name, content]) => [`torch/${name}`, content]);
    const extra = { "torch/lib/libtorch_cuda.so": fakeLibrary("cuda"), "torch/lib/libtorch.so": fakeLibrary(),
      "torch/nn/__init__.py": Buffer.from("") };
    return writeWheel(wheels(), `torch-${version}`, { ...(Object.fromEntries(files) as Record<string, Buffer>),
      ...extra }, tamper);
  };
  const pins = (sha256: string, diskMegabytes = 1): Parameters<typeof ensureLibTorch>[1] => ({
    torch: PINNED,
    pythonVersion: "3.12",
    platforms: {
      [platformName]: { variant: "cu130", tags: ["manylinux_2_28_x86_64"], wheels: { [`torch==${PINNED}`]: sha256 },
        diskMegabytes },
    },
  });
  const failure = async (env: NodeJS.ProcessEnv,
    wanted: Parameters<typeof ensureLibTorch>[1]): Promise<{ code: string; message: string }> => {
    const outcome = await ensureLibTorch({ env, progress }, wanted).then(() => undefined, (error: unknown) => error);
    expect(outcome, "an error").to.be.an("error");
    return outcome as { code: string; message: string };
  };
  const leftovers = (): string[] =>
    readdirSync(dirname(entry("cpu"))).filter((name) => name.endsWith(".partial") || name === ".lock");

  it("unpacks the CPU half of the pinned wheel and finds it again", async () => {
    const { sha256 } = torchWheel();
    const found = await ensureLibTorch({ env: offline(), progress }, pins(sha256));
    expect(found).to.deep.equal({ directory: join(entry("cu130"), "torch"), version: PINNED, variant: "cpu",
      source: "cache" });
    expect(existsSync(join(found.directory, "lib", mainLibraries()[0]!))).to.equal(true);
    expect(existsSync(join(found.directory, "lib/libtorch_cuda.so"))).to.equal(false);
    expect(existsSync(join(found.directory, "lib/libtorch.so"))).to.equal(false);
    expect(existsSync(join(found.directory, "nn"))).to.equal(false);
    expect(leftovers()).to.deep.equal([]);
    expect(await locateLibTorch(offline(), pins(sha256))).to.deep.equal(found);
  });

  it("prefers the CPU build if pip offers one", async () => {
    const { sha256 } = torchWheel();
    torchWheel(`${PINNED}+cpu`);
    const found = await ensureLibTorch({ env: offline(), progress }, pins(sha256));
    expect(found.directory).to.equal(join(entry("cpu"), "torch"));
    expect(existsSync(entry("cu130"))).to.equal(false);
  });

  it("downloads once when two builds start together", async () => {
    const { sha256 } = torchWheel();
    const found = await Promise.all([1, 2].map(() => ensureLibTorch({ env: offline(), progress }, pins(sha256))));
    expect(found[0]).to.deep.equal(found[1]);
    expect(lines.filter((line) => line.startsWith("downloading"))).to.have.length(1);
    expect(lines).to.include("another process is installing: waiting for it");
  });

  it("downloads again what was damaged since", async () => {
    const { sha256 } = torchWheel();
    const { directory: first } = await ensureLibTorch({ env: offline(), progress }, pins(sha256));
    truncateSync(join(first, "lib", mainLibraries()[0]!), 10);
    const error = await locateLibTorch(offline(), pins(sha256)).then(() => undefined, (reason: unknown) => reason);
    expect(String(error)).to.include("FILE_CORRUPT").and.to.include("10 instead of");
    expect(await ensureLibTorch({ env: offline(), progress }, pins(sha256))).to.include({ directory: first });
    expect(await locateLibTorch(offline(), pins(sha256))).to.include({ directory: first });
  });

  it("rejects a wheel with another hash", async () => {
    torchWheel();
    const { code, message } = await failure(offline(), pins("0".repeat(64)));
    expect(code).to.equal("CHECKSUM_MISMATCH");
    expect(message).to.include(`torch==${PINNED}`).and.to.include("pip config list");
    expect(existsSync(entry("cu130"))).to.equal(false);
    expect(leftovers()).to.deep.equal([]);
  });

  it("rejects a wheel whose files differ from its RECORD", async () => {
    const { sha256 } = torchWheel(PINNED, { "torch/include/ATen/ATen.h": Buffer.from("other") });
    const { code, message } = await failure(offline(), pins(sha256));
    expect(code).to.equal("CHECKSUM_MISMATCH");
    expect(message).to.include("another torch/include/ATen/ATen.h");
  });

  it("reports that the network is down, not that there is no such version", async () => {
    const env = { ...offline(), PIP_INDEX_URL: "http://127.0.0.1:9/simple/" };
    delete (env as NodeJS.ProcessEnv)["PIP_NO_INDEX"];
    const { code, message } = await failure(env, pins("0".repeat(64)));
    expect(code).to.equal("DOWNLOAD_FAILED");
    expect(message).to.include("proxy").and.to.include("REVIEWKD_LIBTORCH");
    expect(leftovers()).to.deep.equal([]);
  });

  it("reports that pip's index does not offer the version", async () => {
    writeWheel(wheels(), "torch-2.5.0", {});
    const { code, message } = await failure(offline(), pins("0".repeat(64)));
    expect(code).to.equal("DOWNLOAD_FAILED");
    expect(message).to.include(`torch==${PINNED}`).and.to.include("does not offer it");
  });

  it("reports that the disk is too small before anything is downloaded", async () => {
    const { sha256 } = torchWheel();
    const { code, message } = await failure(offline(), pins(sha256, 1e12));
    expect(code).to.equal("FILE_ACCESS");
    expect(message).to.include("REVIEWKD_CACHE");
    expect(lines.filter((line) => line.startsWith("downloading"))).to.deep.equal([]);
  });

  it("reports that the cache cannot be written", async () => {
    const { sha256 } = torchWheel();
    writeFileSync(cache(), "a file where the directory should be");
    expect((await failure(offline(), pins(sha256))).code).to.equal("FILE_ACCESS");
  });

  it("lists the platforms that have pins", async () => {
    const { code, message } = await failure(offline(), { torch: PINNED, pythonVersion: "3.12", platforms: {} });
    expect(code).to.equal("DEPENDENCY_MISSING");
    expect(message).to.include(platformName);
  });
});
