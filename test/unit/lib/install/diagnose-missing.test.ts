import { expect } from "chai";
import { diagnoseMissing } from "../../../../lib/install/diagnose-missing.js";
import { packageRoot } from "../../../../lib/install/layout.js";
import { machine, useInstalledPackage } from "./machines.js";

describe("diagnoseMissing", () => {
  const main = useInstalledPackage();

  it("explains that there is no libtorch for musl", () => {
    const { reason, fix } = diagnoseMissing(main(), machine({ libc: { family: "musl", version: "1.2.5" } }));
    expect(reason).to.match(/C library is musl \(Alpine Linux/);
    expect(fix).to.include("node:22-bookworm-slim");
  });

  it("lists the platforms that have packages", () => {
    const { reason, fix } = diagnoseMissing(main(), machine({ platform: "freebsd-x64", libc: null }));
    expect(reason).to.equal(
      "invalid platform: expected linux-x64, linux-arm64, darwin-arm64, win32-x64, received freebsd-x64",
    );
    expect(fix).to.include("REVIEWKD_LIBTORCH=DIRECTORY npm run build");
  });

  it("suggests a build in a checkout, whatever the machine", () => {
    expect(diagnoseMissing(packageRoot(), machine({ libc: { family: "musl", version: null } })).fix).to.equal(
      "npm run build",
    );
  });
});
