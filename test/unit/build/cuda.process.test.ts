import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { basename, delimiter, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import { installedCudaLibTorches } from "../../../lib/native/libtorch-directory.js";
import { cudaEntry, installCudaLibTorch } from "../../../scripts/libtorch/cuda.mjs";
import { platformName } from "../../../scripts/libtorch/locate.mjs";
import { fakeLibrary, fakeLibTorchFiles, fakePython, pathWithoutTorch, useTemporaryDirectory, writeWheel, type Wheel } from "./fake-libtorch.js";

const VERSION = "2.14.1";
const TORCH = `torch==${VERSION}`;
const CUDNN = "nvidia-cudnn-cu13==9.24.0";

// The real pip runs here, on wheels in a local directory.
describe("installCudaLibTorch", () => {
  const directory = useTemporaryDirectory();
  let lines: string[];
  beforeEach(() => { lines = []; });

  const progress = (line: string): void => { lines.push(line); };
  const wheels = (): string => join(directory(), "wheels");
  const env = (path = pathWithoutTorch(directory())): NodeJS.ProcessEnv => ({
    ...process.env, PATH: path, REVIEWKD_CACHE: join(directory(), "cache"), PIP_CONFIG_FILE: "/dev/null", PIP_NO_INDEX: "1", PIP_QUIET: "1", PIP_FIND_LINKS: wheels(),
  });
  const entry = (): string => cudaEntry(env(), VERSION, "cu130");
  const torch = (): Wheel => {
    const files = Object.entries(fakeLibTorchFiles({ variant: "cu130" })).map(([name, content]) => [`torch/${name}`, content]);
    const more = { "torch/lib/libtorch_cuda.so": fakeLibrary("cuda"), "torch/lib/libtorch_python.so": fakeLibrary(), "torch/lib/libtorch_nvshmem.so": fakeLibrary(), "torch/lib/libshm.so": fakeLibrary(), "torch/nn/__init__.py": Buffer.from("") };
    return writeWheel(wheels(), `torch-${VERSION}`, { ...(Object.fromEntries(files) as Record<string, Buffer>), ...more });
  };
  const cudnn = (tamper: Record<string, Buffer> = {}): Wheel =>
    writeWheel(wheels(), "nvidia_cudnn_cu13-9.24.0", { "nvidia/cudnn/lib/libcudnn.so.9": fakeLibrary("cudnn"), "nvidia/cudnn/include/cudnn.h": Buffer.from("") }, tamper);
  const pins = (hashes: Record<string, string>): Parameters<typeof installCudaLibTorch>[2] => ({
    torch: VERSION, pythonVersion: "3.12",
    platforms: { [platformName]: { variant: "cpu", tags: [], wheels: {}, diskMegabytes: 1, cuda: { variant: "cu130", tags: ["manylinux_2_28_x86_64"], wheels: hashes, diskMegabytes: 1 } } },
  });
  const downloads = (): string[] => lines.filter((line) => line.startsWith("downloading")).map((line) => line.split(" ")[1]!);
  const failure = async (wanted: Parameters<typeof installCudaLibTorch>[2]): Promise<{ code: string; message: string }> => {
    const outcome = await installCudaLibTorch(env(), progress, wanted).then(() => undefined, (error: unknown) => error);
    expect(outcome, "an error").to.be.an("error");
    return outcome as { code: string; message: string };
  };

  it("installs both halves with NVIDIA's libraries, where the loader finds them, and once", async () => {
    const wanted = pins({ [TORCH]: torch().sha256, [CUDNN]: cudnn().sha256 });
    const found = await installCudaLibTorch(env(), progress, wanted);
    expect(found).to.deep.equal({ directory: join(entry(), "torch"), version: VERSION, variant: "cu130", source: "cache" });
    for (const name of ["torch/lib/libtorch_cpu.so", "torch/lib/libtorch_cuda.so", "torch/lib/libtorch_nvshmem.so", "nvidia/cudnn/lib/libcudnn.so.9"]) expect(existsSync(join(entry(), name)), name).to.equal(true);
    for (const name of ["torch/nn", "torch/lib/libtorch_python.so", "torch/lib/libshm.so", "nvidia/cudnn/include"]) expect(existsSync(join(entry(), name)), name).to.equal(false);
    expect(installedCudaLibTorches(env()).map(({ root }) => root)).to.deep.equal([found.directory]);
    expect(readdirSync(dirname(entry()))).to.deep.equal([basename(entry())]);
    expect(downloads()).to.deep.equal([TORCH, CUDNN]);
    await installCudaLibTorch(env(), progress, wanted);
    expect(downloads()).to.have.lengthOf(2);
  });

  it("goes on with the wheel that failed", async () => {
    const { path, sha256 } = cudnn();
    const wanted = pins({ [TORCH]: torch().sha256, [CUDNN]: sha256 });
    renameSync(path, join(directory(), "away"));
    expect((await failure(wanted)).code).to.equal("LIBTORCH_NOT_FOUND");
    expect(installedCudaLibTorches(env())).to.deep.equal([]);
    expect(existsSync(entry())).to.equal(false);
    renameSync(join(directory(), "away"), path);
    await installCudaLibTorch(env(), progress, wanted);
    expect(downloads()).to.deep.equal([TORCH, CUDNN, CUDNN]);
    expect(lines).to.include("going on with wheel 2 of 2");
    expect(installedCudaLibTorches(env())).to.have.lengthOf(1);
  });

  it("leaves nothing half made when it is killed, and goes on afterwards", async () => {
    const wanted = pins({ [TORCH]: torch().sha256, [CUDNN]: cudnn().sha256 });
    // The second wheel never comes.
    const path = [pathWithoutTorch(directory()), process.env["PATH"]].join(delimiter);
    const slow = fakePython(join(directory(), "slow"), `case "$*" in *requirements.txt*) grep -q cudnn "$(echo "$*" | sed 's/.*--requirement //')" && sleep 600;; esac\nPATH="${path}" exec python3 "$@"`);
    const module = pathToFileURL(join(import.meta.dirname, "../../../scripts/libtorch/cuda.mjs")).href;
    const program = `import { installCudaLibTorch } from ${JSON.stringify(module)};
      await installCudaLibTorch(process.env, (line) => console.log(line), ${JSON.stringify(wanted)});`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], { env: { ...env([slow, path].join(delimiter)), NODE_OPTIONS: "" }, stdio: ["ignore", "pipe", "inherit"], detached: true });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => { said += text; });
    while (!said.includes(`downloading ${CUDNN}`)) await once(child.stdout, "data");
    // The whole group, as a closed terminal does it.
    process.kill(-child.pid!, "SIGKILL");
    await once(child, "exit");
    expect(installedCudaLibTorches(env())).to.deep.equal([]);
    expect(existsSync(entry())).to.equal(false);
    await installCudaLibTorch(env(), progress, wanted);
    expect(downloads()).to.deep.equal([CUDNN]);
    expect(readdirSync(dirname(entry()))).to.deep.equal([basename(entry())]);
  });

  it("installs again what was damaged since", async () => {
    const wanted = pins({ [TORCH]: torch().sha256, [CUDNN]: cudnn().sha256 });
    await installCudaLibTorch(env(), progress, wanted);
    writeFileSync(join(entry(), "nvidia/cudnn/lib/libcudnn.so.9"), "cut");
    await installCudaLibTorch(env(), progress, wanted);
    expect(lines.some((line) => line.includes("libcudnn.so.9 with 3 instead of"))).to.equal(true);
    expect(downloads()).to.have.lengthOf(4);
  });

  it("refuses another hash, other files than RECORD lists, and platforms without a CUDA build", async () => {
    const { sha256 } = torch();
    expect((await failure(pins({ [TORCH]: "0".repeat(64) }))).code).to.equal("HASH_MISMATCH");
    const tampered = cudnn({ "nvidia/cudnn/lib/libcudnn.so.9": Buffer.from("other") });
    expect((await failure(pins({ [TORCH]: sha256, [CUDNN]: tampered.sha256 }))).code).to.equal("HASH_MISMATCH");
    expect(existsSync(entry())).to.equal(false);
    expect((await failure({ torch: VERSION, pythonVersion: "3.12", platforms: {} })).message).to.include(`got ${platformName}`);
  });
});
