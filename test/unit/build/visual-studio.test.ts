import { expect } from "chai";
import { cmakePath, findToolchain, parseSettings } from "../../../scripts/build/visual-studio.js";

describe("the toolchain of Visual Studio", () => {
  it("is read from what its settings print", () => {
    const settings = parseSettings(
      "Path=C:\\VS\\bin;C:\\Windows\r\nVCToolsRedistDir=C:\\VS\\Redist\\\r\nODD=a=b\r\n=C:=C:\\work\r\n\r\n",
    );
    expect(settings).to.deep.equal({ "Path": "C:\\VS\\bin;C:\\Windows", "VCToolsRedistDir": "C:\\VS\\Redist\\",
      "ODD": "a=b", "=C:": "C:\\work" });
  });

  it("is given to CMake in its own spelling of paths, and only there", () => {
    expect(cmakePath("C:\\Users\\a b\\torch", "win32")).to.equal("C:/Users/a b/torch");
    expect(cmakePath("/home/a\\b", "linux")).to.equal("/home/a\\b");
  });

  it("is missed with what to install", async () => {
    const error: unknown = await findToolchain({ "ProgramFiles(x86)": "/none", "ComSpec": "/none" }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).to.have.property("code", "COMPILER_NOT_FOUND");
    expect(error).to.have.property("message").that.includes("C++ Clang tools for Windows");
  });
});
