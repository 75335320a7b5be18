import { expect } from "chai";
import { blocksOf, pages, readPage } from "../../support/doc-blocks.js";
import { commandsOf, reviewkdWords, usageProblem } from "../../support/doc-commands.js";

/** Of recipes in docs/extending.md: what their reader adds. */
const ADDED = ["--clip-value", "logit-distance", "methods", "plainnet", "stl10:data/stl10_binary"];

/** Commands in the text of a page: `npx reviewkd …` with its options. */
function inlineCommands(text: string): string[][] {
  const prose = text.replaceAll(/^```.*?^```/gms, "");
  return [...prose.matchAll(/`npx (reviewkd [^`]+)`/g)].flatMap(([, command = ""]) => commandsOf(command));
}

describe("commands in the documentation", () => {
  const commands = pages().flatMap((page) => {
    const text = readPage(page);
    const blocks = blocksOf(page, text).filter(({ language }) => language === "sh");
    return [...blocks.flatMap(({ code, place }) => commandsOf(code).map((command) => ({ place, command }))),
      ...inlineCommands(text).map((command) => ({ place: page, command }))];
  }).flatMap(({ place, command }) => {
    const words = reviewkdWords(command);
    const isRecipe = place.startsWith("docs/extending.md") && words?.some((word) => ADDED.includes(word)) === true;
    return words === undefined || isRecipe ? [] : [{ place, words }];
  });

  it("are accepted by the command line, each with its options", () => {
    expect(commands).to.have.length.above(40);
    const problems = commands.flatMap(({ place, words }) => {
      const problem = usageProblem(words);
      return problem === undefined ? [] : [`${place}: reviewkd ${words.join(" ")}: ${problem}`];
    });
    expect(problems).to.deep.equal([]);
  });

  it("are split as a shell splits them", () => {
    expect(commandsOf('A=1 npx reviewkd train --run "a b" \\\n  --epochs 3   # three\nnpm ci && npx reviewkd doctor'))
      .to.deep.equal([["A=1", "npx", "reviewkd", "train", "--run", "a b", "--epochs", "3"], ["npm", "ci"], ["npx",
        "reviewkd", "doctor"]]);
    expect(reviewkdWords(["npm", "install", "reviewkd"])).to.equal(undefined);
    expect(reviewkdWords(["A=1", "srun", "node_modules/.bin/reviewkd", "distill"])).to.deep.equal(["distill"]);
  });

  for (
    const [what, words] of Object.entries({
      "an unknown option": ["train", "--modle", "resnet8"],
      "an unknown command": ["trian"],
      "an invalid value": ["train", "--epochs", "three"],
      "a missing argument": ["predict"],
      "a wrong command that is launched": ["launch", "--processes", "2", "--", "train", "--epoch", "3"],
    })
  ) {
    it(`are refused for ${what}`, () => {
      expect(usageProblem(words)).to.be.a("string");
    });
  }
});
