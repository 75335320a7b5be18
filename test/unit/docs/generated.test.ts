import { resolve } from "node:path";
import { expect } from "chai";
import { environmentPage, readSources } from "../../../scripts/docs/environment.js";
import { errorsPage } from "../../../scripts/docs/errors.js";
import { outdatedFiles } from "../../../scripts/docs/main.js";

const root = resolve(import.meta.dirname, "../../..");
const PLAIN = "// @env A_B users: The first\n// of two. Default: 1.\n";

describe("the generated pages of docs", () => {
  it("are as the code is: if not, run `npm run docs`", () => {
    expect(outdatedFiles(root).map(([path]) => path)).to.deep.equal([]);
  });

  it("list variables with meaning, default and reader", () => {
    const page = environmentPage([
      { path: "lib/a.ts", text: `${PLAIN}const a = process.env["A_B"];` },
      { path: "native/b.cpp",
        text: '// @env REVIEWKD_C tests: Another. Default: none.\nname("REVIEWKD_C"); getenv(name);' },
    ]);
    expect(page).to.include("## For users\n\n| variable | meaning | default | read in |\n|---|---|---|---|\n" +
      "| `A_B` | The first of two. | 1 | [`lib/a.ts`](../lib/a.ts) |\n");
    expect(page).to.include("| `REVIEWKD_C` | Another. | none | [`native/b.cpp`](../native/b.cpp) |");
  });

  it("do not count writing a variable as reading it", () => {
    const text = 'process.env["A"] = "1"; delete env.B; const c = { ...process.env };';
    expect(() => environmentPage([{ path: "test/a.ts", text }])).not.to.throw();
  });

  for (
    const [what, text] of Object.entries({
      "a read without a description": 'const a = context.env["A_B"];',
      "a property without a description": "const a = process.env.A_B;",
      "a computed name": "const a = process.env[name];",
      "a description without a read": PLAIN,
      "two descriptions": `${PLAIN}const a = process.env["A_B"];\n${PLAIN}`,
      "an unknown audience": '// @env A_B readers: The first. Default: 1.\nconst a = process.env["A_B"];',
      "a description without default": '// @env A_B users: The first.\nconst a = process.env["A_B"];',
    })
  ) {
    it(`are refused for ${what}`, () => {
      expect(() => environmentPage([{ path: "lib/a.ts", text }])).to.throw("lib/a.ts").with.property("code",
        "UNDESCRIBED");
    });
  }

  it("are refused for an error code without a comment, or without a remedy", () => {
    const sources = readSources(root);
    const without = (comment: RegExp, rest: string): () => string => () =>
      errorsPage(
        sources.map(({ path, text }) =>
          path === "lib/errors.ts" ? { path, text: text.replace(comment, rest) } : { path, text }
        ),
      );
    expect(without(/.*\n(?= {2}"RUN_LOCKED",)/, "")).to.throw("RUN_LOCKED");
    expect(without(/.*\n(?= {2}"RUN_LOCKED",)/, "  /** Locked. */\n")).to.throw("RUN_LOCKED");
    expect(without(/$/, "")).not.to.throw();
  });
});
