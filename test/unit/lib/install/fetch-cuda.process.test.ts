import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { basename, delimiter, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import { installedCudaLibTorches } from "../../../../lib/install/libtorch-directory.js";
import { cudaEntry, platformName } from "../../../../lib/install/cache.js";
import { ensureCudaLibTorch } from "../../../../lib/install/fetch.js";
import { fakeLibrary, fakeLibTorchFiles, fakePython, pathWithoutTorch, useTemporaryDirectory, writeWheel,
  type Wheel } from "./fake-libtorch.js";

const VERSION = "2.14.1";
const TORCH = `torch==${VERSION}`;
const CUDNN = "nvidia-cudnn-cu13==9.24.0";

// The real pip runs here, on wheels in a local directory.
describe("ensureCudaLibTorch", () => {
  const directory = useTemporaryDirectory();
  let lines: string[];
  beforeEach(() => {
    lines = [];
  });

  const progress = (line: string): void => {
    lines.push(line);
  };
  const wheels = (): string => join(directory(), "wheels");
  const env = (path = pathWithoutTorch(directory())): NodeJS.ProcessEnv => ({
    ...process.env,
    PATH: path,
    REVIEWKD_CACHE: join(directory(), "cache"),
    PIP_CONFIG_FILE: "/dev/null",
    PIP_NO_INDEX: "1",
    PIP_QUIET: "1",
    PIP_FIND_LINKS: wheels(),
  });
  const entry = (): string => cudaEntry(env(), VERSION, "cu130");
  const torch = (): Wheel => {
    const files = Object.entries(fakeLibTorchFiles({ variant: "cu130" })).map((
      [name, content],
    ) => [`torch/${name}`, content]);
    const more = { "torch/lib/libtorch_cuda.so": fakeLibrary("cuda"), "torch/lib/libtorch_python.so": fakeLibrary(),
      "torch/lib/libtorch_nvshmem.so": fakeLibrary(), "torch/lib/libshm.so": fakeLibrary(),
      "torch/nn/__init__.py": Buffer.from("") };
    return writeWheel(wheels(), `torch-${VERSION}`, { ...(Object.fromEntries(files) as Record<string, Buffer>),
      ...more });
  };
  const cudnn = (tamper: Record<string, Buffer> = {}): Wheel =>
    writeWheel(wheels(), "nvidia_cudnn_cu13-9.24.0", { "nvidia/cudnn/lib/libcudnn.so.9": fakeLibrary("cudnn"),
      "nvidia/cudnn/include/cudnn.h": Buffer.from("") }, tamper);
  const pins = (hashes: Record<string, string>): Parameters<typeof ensureCudaLibTorch>[1] => ({
    torch: VERSION,
    pythonVersion: "3.12",
    platforms: {
      [platformName]: { variant: "cpu", tags: [], wheels: {}, diskMegabytes: 1,
        cuda: { variant: "cu130", tags: ["manylinux_2_28_x86_64"], wheels: hashes, diskMegabytes: 1 } },
    },
  });
  const downloads = (): string[] =>
    lines.filter((line) => line.startsWith("downloading")).map((line) => line.split(" ")[1]!);
  const failure = async (
    wanted: Parameters<typeof ensureCudaLibTorch>[1],
  ): Promise<{ code: string; message: string }> => {
    const outcome = await ensureCudaLibTorch({ env: env(), progress }, wanted).then(() => undefined,
      (error: unknown) => error);
    expect(outcome, "an error").to.be.an("error");
    return outcome as { code: string; message: string };
  };

  it("installs both halves with NVIDIA's libraries where the loader finds them, once", async () => {
    const wanted = pins({ [TORCH]: torch().sha256, [CUDNN]: cudnn().sha256 });
    const found = await ensureCudaLibTorch({ env: env(), progress }, wanted);
    expect(found).to.deep.equal({ directory: join(entry(), "torch"), version: VERSION, variant: "cu130",
      source: "cache" });
    for (const name of ["torch/lib/libtorch_cpu.so", "torch/lib/libtorch_cuda.so", "torch/lib/libtorch_nvshmem.so",
      "nvidia/cudnn/lib/libcudnn.so.9"]) expect(existsSync(join(entry(), name)), name).to.equal(true);
    for (const name of ["torch/nn", "torch/lib/libtorch_python.so", "torch/lib/libshm.so", "nvidia/cudnn/include"])
      expect(existsSync(join(entry(), name)), name).to.equal(false);
    expect(installedCudaLibTorches(env()).map(({ root }) => root)).to.deep.equal([found.directory]);
    expect(readdirSync(dirname(entry()))).to.deep.equal([basename(entry())]);
    expect(downloads()).to.deep.equal([TORCH, CUDNN]);
    await ensureCudaLibTorch({ env: env(), progress }, wanted);
    expect(downloads()).to.have.lengthOf(2);
  });

  it("resumes with the wheel that failed", async () => {
    const { path, sha256 } = cudnn();
    const wanted = pins({ [TORCH]: torch().sha256, [CUDNN]: sha256 });
    renameSync(path, join(directory(), "away"));
    expect((await failure(wanted)).code).to.equal("DOWNLOAD_FAILED");
    expect(installedCudaLibTorches(env())).to.deep.equal([]);
    expect(existsSync(entry())).to.equal(false);
    renameSync(join(directory(), "away"), path);
    await ensureCudaLibTorch({ env: env(), progress }, wanted);
    expect(downloads()).to.deep.equal([TORCH, CUDNN, CUDNN]);
    expect(lines).to.include("resuming with wheel 2 of 2");
    expect(installedCudaLibTorches(env())).to.have.lengthOf(1);
  });

  it("leaves nothing incomplete when it is killed, and resumes afterwards", async () => {
    const wanted = pins({ [TORCH]: torch().sha256, [CUDNN]: cudnn().sha256 });
    // The second wheel never comes.
    const path = [pathWithoutTorch(directory()), process.env["PATH"]].join(delimiter);
    const slow = fakePython(join(directory(), "slow"),
      `case "$*" in *requirements.txt*) grep -q cudnn "$(echo "$*" | sed 's/.*--requirement //')" && sleep 600;; esac\nPATH="${path}" exec python3 "$@"`);
    const module = pathToFileURL(join(import.meta.dirname, "../../../../lib/install/fetch.js")).href;
    const program = `import { ensureCudaLibTorch } from ${JSON.stringify(module)};
      await ensureCudaLibTorch({ env: process.env, progress: (line) => console.log(line) }, ${JSON.stringify(wanted)});`;
    const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program], {
      env: { ...env([slow, path].join(delimiter)), NODE_OPTIONS: "" },
      stdio: ["ignore", "pipe", "inherit"],
      detached: true,
    });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    while (!said.includes(`downloading ${CUDNN}`)) await once(child.stdout, "data");
    // The whole group, as a closed terminal does it.
    process.kill(-child.pid!, "SIGKILL");
    await once(child, "exit");
    expect(installedCudaLibTorches(env())).to.deep.equal([]);
    expect(existsSync(entry())).to.equal(false);
    await ensureCudaLibTorch({ env: env(), progress }, wanted);
    expect(downloads()).to.deep.equal([CUDNN]);
    expect(readdirSync(dirname(entry()))).to.deep.equal([basename(entry())]);
  });

  it("reinstalls what was damaged since", async () => {
    const wanted = pins({ [TORCH]: torch().sha256, [CUDNN]: cudnn().sha256 });
    await ensureCudaLibTorch({ env: env(), progress }, wanted);
    writeFileSync(join(entry(), "nvidia/cudnn/lib/libcudnn.so.9"), "cut");
    await ensureCudaLibTorch({ env: env(), progress }, wanted);
    expect(lines.some((line) => line.includes("libcudnn.so.9 with 3 instead of"))).to.equal(true);
    expect(downloads()).to.have.lengthOf(4);
  });

  it("rejects another hash, other files than RECORD lists, and platforms without a CUDA build", async () => {
    const { sha256 } = torch();
    expect((await failure(pins({ [TORCH]: "0".repeat(64) }))).code).to.equal("CHECKSUM_MISMATCH");
    const tampered = cudnn({ "nvidia/cudnn/lib/libcudnn.so.9": Buffer.from("other") });
    expect((await failure(pins({ [TORCH]: sha256, [CUDNN]: tampered.sha256 }))).code).to.equal("CHECKSUM_MISMATCH");
    expect(existsSync(entry())).to.equal(false);
    expect((await failure({ torch: VERSION, pythonVersion: "3.12", platforms: {} })).message).to.include(
      `received ${platformName}`,
    );
  });
});
