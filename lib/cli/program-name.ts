import { basename, relative } from "node:path";

const PLAIN = /^[\w@%+=:,./-]+$/;

export function shellQuote(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The words that started this process, so that a printed command can be pasted into the same shell. */
export function programWords(
  argv: readonly string[] = process.argv,
  execArgv: readonly string[] = process.execArgv,
  directory: string = process.cwd(),
): string[] {
  const script = argv[1] ?? "reviewkd";
  if (basename(script) === "reviewkd") {
    return /[\\/]node_modules[\\/]\.bin[\\/]/.test(script) ? ["npx", "reviewkd"] : ["reviewkd"];
  }
  const near = relative(directory, script);
  return ["node", ...execArgv, near.startsWith("..") || near === "" ? script : near];
}

export function commandLine(words: readonly string[]): string {
  return [...programWords(), ...words].map(shellQuote).join(" ");
}
