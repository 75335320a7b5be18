/** The commands of shell blocks, as the words that the program receives. */
import { CommanderError, type Command } from "commander";
import { isReviewKdError, messageOf } from "../../lib/index.js";
import { buildProgram } from "../../lib/cli/program.js";

/** The commands of a shell block, each as its words, without comments and redirections. */
export function commandsOf(code: string): string[][] {
  const lines = code.replaceAll(/\\\n\s*/g, " ");
  const variables = new Map(
    [...lines.matchAll(/^(\w+)="([^"]*)"$/gm)].map(([, name = "", value = ""]) => [name, value]),
  );
  const text = lines.replaceAll(/\$(\w+)/g, (all, name: string) => variables.get(name) ?? all)
    .replaceAll(/\$\([^)]*\)/g, "OUTPUT");
  return text.split("\n").flatMap((line) => {
    const words = line.match(/"[^"]*"|'[^']*'|[^\s"']+(?:"[^"]*"|'[^']*')?|\s#.*$/g) ?? [];
    const comment = words.findIndex((word) => word.trim().startsWith("#"));
    const used = comment < 0 ? words : words.slice(0, comment);
    return splitAt(used, ["&&", "||", "|", ";", "&"]).map((command) => command.map(unquoted));
  });
}

function splitAt(words: readonly string[], separators: readonly string[]): string[][] {
  const parts: string[][] = [[]];
  for (const word of words) {
    if (separators.includes(word)) parts.push([]);
    else parts.at(-1)?.push(word);
  }
  return parts.filter((part) => part.length > 0);
}

function unquoted(word: string): string {
  return word.replaceAll(/["']/g, "");
}

/** The words after `reviewkd`, if a command runs it, directly or by npx, srun or torchrun. */
export function reviewkdWords(command: readonly string[]): string[] | undefined {
  const at = command.findIndex((word) => /^(?:.*\/)?reviewkd$|dist\/cli\/main\.js$/.test(word));
  const starter = command.slice(0, at).filter((word) => !/^[A-Z_]+=/.test(word))[0] ?? "reviewkd";
  return at < 0 || !/^(?:npx|node|srun|torchrun|mpirun|nohup|reviewkd|.*\/reviewkd)$/.test(starter) ? undefined
    : command.slice(at + 1);
}

/** Why the program would refuse the words; nothing is run. An ellipsis stands for options that are left out. */
export function usageProblem(words: readonly string[]): string | undefined {
  const isWhole = !words.includes("…");
  const given = words.filter((word) => word !== "…");
  if (given.length === 0) return undefined;
  const program = buildProgram();
  const ran: Command[] = [];
  visit(program, (command) => {
    command.configureOutput({ writeOut() {} });
    // Groups of commands have no action of their own.
    if (command.commands.length === 0)
      command.action(() => {
        ran.push(command);
      });
  });
  try {
    program.parse(given, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError && ["commander.helpDisplayed", "commander.version"].includes(error.code))
      return undefined;
    if (!isWhole && error instanceof CommanderError && /^commander\.missing/.test(error.code)) return undefined;
    return isReviewKdError(error) || error instanceof Error ? messageOf(error) : String(error);
  }
  const [command] = ran;
  const after = command?.name() === "launch" ? command.args : [];
  return after.length > 0 ? usageProblem(isWhole ? after : [...after, "…"]) : undefined;
}

function visit(command: Command, change: (command: Command) => void): void {
  change(command);
  for (const inner of command.commands) visit(inner, change);
}
