// Files in place of weights: their messages propose a command or a line of Python, which is run here.
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { createModel, inspectWeights, readStateDict, type Model } from "../../lib/index.js";
import { failureOf } from "../support/errors.js";
import { filledModel } from "../support/networks.js";
import { valuesOf } from "../support/numeric.js";
import { pythonWithTorch } from "../support/python-torch.js";

const run = promisify(execFile);

let folder: string;
let model: Model;
before(async () => {
  model = await filledModel("resnet8", 3, "", "float32");
});
after(() => {
  model.dispose();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "reviewkd-other-"));
  await model.save(join(folder, "weights.pth"));
});
afterEach(() => rm(folder, { recursive: true }));

async function expectWeights(path: string): Promise<void> {
  using loaded = await createModel("resnet8", { numClasses: 3, weights: path });
  const name = "layer1.0.conv1.weight";
  expect(valuesOf((await loaded.stateDict())[name]!)).to.deep.equal(valuesOf((await model.stateDict())[name]!));
}

const hasTool = (tool: string): Promise<boolean> =>
  run("sh", ["-c", `command -v ${tool}`]).then(() => true, () => false);

describe("a file in place of weights names the command that helps", function () {
  this.timeout(60_000);

  /** Packs weights.pth as `packed`, whose message proposes `fix`. */
  const PACKED = [
    { tool: "gzip", packed: "weights.pth.gz", pack: ["gzip", "weights.pth"], fix: "gunzip" },
    { tool: "bzip2", packed: "weights.pth.bz2", pack: ["bzip2", "weights.pth"], fix: "bunzip2" },
    { tool: "xz", packed: "weights.pth.xz", pack: ["xz", "weights.pth"], fix: "unxz" },
    { tool: "zstd", packed: "weights.pth.zst", pack: ["zstd", "-q", "--rm", "weights.pth"], fix: "unzstd" },
    { tool: "tar", packed: "weights.tar", pack: ["tar", "-cf", "weights.tar", "--remove-files", "weights.pth"],
      fix: "tar -xf" },
  ] as const;
  for (const { tool, packed, pack, fix } of PACKED) {
    it(`for a file of ${tool}`, async function () {
      if (!(await hasTool(tool))) {
        console.warn(`      no ${tool} here`);
        this.skip();
      }
      const [program, ...words] = pack;
      await run(program, words, { cwd: folder });
      const { message } = await failureOf("FILE_UNSUPPORTED", () => inspectWeights(join(folder, packed)));
      expect(message).to.contain(fix);
      const [unpack = "", ...options] = fix.split(" ");
      await run(unpack, [...options, packed], { cwd: folder });
      await expectWeights(join(folder, "weights.pth"));
    });
  }

  it("for an archive that was packed again", async function () {
    if (!(await hasTool("zip")) || !(await hasTool("unzip"))) {
      console.warn("      no zip and unzip here");
      this.skip();
    }
    const below = join(folder, "unpacked");
    await run("unzip", ["-q", "weights.pth", "-d", below], { cwd: folder });
    await run("zip", ["-q", "-r", "../again.pth", "."], { cwd: below });
    const { message } = await failureOf("FILE_UNSUPPORTED", () => inspectWeights(join(folder, "again.pth")));
    const [, pack = ""] = /(zip -0 -r weights\.pt \.)$/.exec(message) ?? [];
    expect(pack, message).to.not.equal("");
    await run("sh", ["-c", pack], { cwd: below });
    await expectWeights(join(below, "weights.pt"));
  });
});

describe("a file in place of weights names the Python that helps", function () {
  this.timeout(180_000);

  // Each writes `given` and, if its message proposes other names, copies of it under these.
  const MADE = {
    "TorchScript": `torch.jit.script(net).save("net.pt")`,
    "a program of torch.export": `torch.export.save(torch.export.export(net, (torch.randn(1, 3),)), "program.pt2")`,
    "an archive of NumPy": `numpy.savez("weights.npz", **{n: v.numpy() for n, v in net.state_dict().items()})`,
    "a state dict in a list": `torch.save([v for v in net.state_dict().values()], "list.pt")`,
  } as const;
  for (const [what, write] of Object.entries(MADE)) {
    it(`for ${what}`, async function () {
      const python = await pythonWithTorch("torch, numpy");
      if (python === undefined) {
        console.warn("      no Python with torch and numpy found (set REVIEWKD_TEST_PYTHON)");
        this.skip();
      }
      await rm(join(folder, "weights.pth"));
      const begin = `import pickle, numpy, torch\nmodel = net = torch.nn.Linear(3, 2)\n`;
      await run(python, ["-c", begin + write], { cwd: folder });
      const [given = ""] = await readdir(folder);
      const { message } = await failureOf("FILE_UNSUPPORTED", () => inspectWeights(join(folder, given)));
      const [, line = ""] = /In Python, (.*\)) writes /.exec(message) ?? [];
      expect(line, message).to.not.equal("");
      await run(python, ["-c", begin + line], { cwd: folder });
      const [, written = ""] = /"(weights\.(?:pt|pkl))"/.exec(line) ?? [];
      const { state } = await readStateDict(join(folder, written));
      expect(state["weight"]!.shape).to.deep.equal([2, 3]);
    });
  }
});

describe("weights in another form name the Python that makes them plain", function () {
  this.timeout(180_000);

  // `module` is the class layer, and `tensor` its weight if that is no attribute of the layer.
  const MADE = {
    "pruned": "torch.nn.utils.prune.identity(module, 'weight')",
    "with weight_norm": "torch.nn.utils.weight_norm(module)",
    "with spectral_norm": "torch.nn.utils.spectral_norm(module).eval()",
    "with weight_norm as a parametrization": "torch.nn.utils.parametrizations.weight_norm(module)",
    "sparse": "tensor = module.weight.detach().to_sparse()",
    "sparse by rows": "tensor = module.weight.detach().to_sparse_csr()",
    "quantized": "tensor = torch.quantize_per_tensor(module.weight.detach(), 0.01, 0, torch.qint8)",
  } as const;
  for (const [what, change] of Object.entries(MADE)) {
    it(what, async function () {
      const python = await pythonWithTorch("torch");
      if (python === undefined) {
        console.warn("      no Python with torch found (set REVIEWKD_TEST_PYTHON)");
        this.skip();
      }
      const made = (remedy: string): string =>
        [
          "import torch, torch.nn.utils.prune",
          "state = torch.load('weights.pth')",
          "module = torch.nn.Linear(64, 3)",
          "module.load_state_dict({name: state.pop('fc.' + name) for name in ('weight', 'bias')})",
          "tensor = None",
          change,
          remedy,
          "layer = module.state_dict()",
          "if tensor is not None: layer['weight'] = tensor",
          "torch.save(dict(state, **{'fc.' + name: value for name, value in layer.items()}), 'made.pth')",
        ].join("\n");
      const path = join(folder, "made.pth");
      await run(python, ["-c", made("")], { cwd: folder });
      const refused = await createModel("resnet8", { numClasses: 3, weights: path }).then(() => "", String);
      const [, remedy = ""] = /In Python, (?:call )?(\S.*?\))(?: or .*)? (?:for each|converts)/.exec(refused) ?? [];
      expect(remedy, refused).not.to.equal("");
      await run(python, ["-c", made(remedy.startsWith("tensor") ? `tensor = ${remedy}` : remedy)], { cwd: folder });
      await expectWeights(path);
    });
  }
});

describe("a path in place of weights", () => {
  it("may be a folder of the same name as a file", async () => {
    await mkdir(join(folder, "net.safetensors"));
    await copyFile(join(folder, "weights.pth"), join(folder, "net.safetensors", "best.pth"));
    await writeFile(join(folder, "net.safetensors", "notes.txt"), "by hand");
    const { message } = await failureOf("FILE_ACCESS", () => inspectWeights(join(folder, "net.safetensors")));
    expect(message).to.contain("best.pth").and.not.to.contain("notes");
  });
});
