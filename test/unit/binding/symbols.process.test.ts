// Symbols that the binaries import from the process that loads them: one binary must work in every Node from 20 on,
// and in Electron.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { checkoutAddonPath } from "../../../lib/install/load.js";
import { readLibrary } from "../../../scripts/package/elf.js";

const NEWEST = 9;

// Ships no types of its own.
const { symbols } = createRequire(import.meta.url)("node-api-headers") as {
  symbols: Record<string, { js_native_api_symbols: string[]; node_api_symbols: string[] }>;
};

/** The functions of Node-API up to a version. */
function nodeApi(version: number): Set<string> {
  const { js_native_api_symbols: language, node_api_symbols: runtime } = symbols[`v${version}`]!;
  return new Set([...language, ...runtime]);
}

for (const name of ["reviewkd.node", "preload.node"]) {
  describe(`the symbols that ${name} imports`, () => {
    let imports: string[];
    before(async function () {
      if (process.platform !== "linux") this.skip();
      ({ imports } = await readLibrary(join(dirname(checkoutAddonPath()), name)));
    });

    it(`are Node-API's up to version ${NEWEST}`, () => {
      const used = imports.filter((symbol) => /^(napi|node_api)_/.test(symbol));
      expect(used).to.have.length.above(10);
      expect(used.filter((symbol) => !nodeApi(NEWEST).has(symbol))).to.deep.equal([]);
      // The list distinguishes versions; otherwise the check would be vacuous.
      expect([...nodeApi(10)].filter((symbol) => !nodeApi(NEWEST).has(symbol))).to.not.deep.equal([]);
    });

    it("create no external buffer, which Electron's memory cage forbids", () => {
      expect(nodeApi(NEWEST)).to.include.keys("napi_create_external_arraybuffer", "napi_create_external_buffer");
      expect(imports.filter((symbol) => /external_(array)?buffer|external_string/.test(symbol))).to.deep.equal([]);
    });

    it("are none of V8's, libuv's or Node's own", () => {
      expect(imports.filter((symbol) => /^uv_|^_ZNK?2v8|^_ZNK?4node|^node_module_register/.test(symbol))).to.deep.equal(
        [],
      );
    });
  });
}
