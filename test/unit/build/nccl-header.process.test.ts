import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { platformName } from "../../../lib/install/cache.js";
import { ncclPinsOf } from "../../../scripts/check/libtorch-versions/pins.js";
import { ensureNcclHeader } from "../../../scripts/cuda/nccl.js";
import { pathWithoutTorch, useTemporaryDirectory, writeFiles } from "../lib/install/fake-libtorch.js";

describe("ensureNcclHeader", () => {
  const directory = useTemporaryDirectory();
  const VERSION = "2.14.1";
  const HEADER = "nvidia/nccl/include/nccl.h";
  const context = () => ({ progress: () => undefined,
    env: { ...process.env, PATH: pathWithoutTorch(directory()), REVIEWKD_CACHE: join(directory(), "cache"),
      PIP_CONFIG_FILE: "/dev/null", PIP_NO_INDEX: "1", PIP_QUIET: "1" } });
  /** The header of a version, as NCCL writes it. */
  const header = (version: string): string => {
    const [major, minor, patch] = version.split(".");
    return `#define NCCL_MAJOR ${major}\n#define NCCL_MINOR ${minor}\n#define NCCL_PATCH ${patch}\n`;
  };
  const pinned = ncclPinsOf(VERSION).requirement.split("==")[1]!;
  const libtorch = () => ({ directory: join(directory(), "site-packages/torch"), version: VERSION });

  it("takes that of the NCCL next to libtorch", async () => {
    const path = join(directory(), "site-packages", HEADER);
    writeFiles(join(directory(), "site-packages"), { [HEADER]: header(pinned) });
    expect(await ensureNcclHeader(libtorch(), context())).to.equal(dirname(path));
  });

  it("takes the cached one if there is none next to libtorch, or of another version than libtorch was built with", async () => {
    const entry = join(directory(), "cache/nccl-header", `${pinned}-${platformName}`);
    writeFiles(entry, { [HEADER]: header(pinned) });
    expect(await ensureNcclHeader(libtorch(), context())).to.equal(dirname(join(entry, HEADER)));
    writeFiles(join(directory(), "site-packages"), { [HEADER]: header("2.1.0") });
    const found = await ensureNcclHeader(libtorch(), context());
    expect(readFileSync(join(found, "nccl.h"), "utf8")).to.equal(header(pinned));
  });

  it("downloads it otherwise", async () => {
    const error: unknown = await ensureNcclHeader(libtorch(), context()).catch((reason: unknown) => reason);
    expect(error).to.be.an("error").with.property("message").that.includes(ncclPinsOf(VERSION).requirement);
  });
});
