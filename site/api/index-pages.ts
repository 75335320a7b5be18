// The pages that list the members of a topic, and the navigation by them.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type DeclarationReflection, type ProjectReflection, ReflectionKind } from "typedoc";
import { folderOf, pageName } from "./router.js";
import { NAMESPACES, TOPICS } from "./topics.js";

export interface ApiTopic {
  readonly name: string;
  readonly title: string;
  readonly members: readonly { readonly name: string; readonly page: string }[];
}

interface Options {
  readonly project: ProjectReflection;
  readonly out: string;
  readonly generated: string;
}

const KINDS = [
  { title: "Functions", kinds: [ReflectionKind.Function] },
  { title: "Classes", kinds: [ReflectionKind.Class] },
  { title: "Types", kinds: [ReflectionKind.Interface, ReflectionKind.TypeAlias] },
  { title: "Constants", kinds: [ReflectionKind.Variable] },
];

export async function writeIndexPages({ project, out, generated }: Options): Promise<void> {
  const members = membersOf(project);
  const topics = [...TOPICS, ...NAMESPACES].map(({ name, title, summary }) => ({ name, title, summary,
    members: members.filter((member) => folderOf(member) === name) })
  );
  for (const { name, title, summary, members: own } of topics) {
    await mkdir(join(out, name), { recursive: true });
    await writeFile(join(out, name, "index.md"), `# ${title}\n\n${summary}\n${tablesOf(own)}`);
  }
  const rows = topics.map(({ name, title, summary, members: own }) =>
    `| [${title}](${name}/index.md) | ${summary} | ${own.length} |\n`
  );
  await writeFile(join(out, "index.md"), `${INTRODUCTION}${rows.join("")}${SCHEMAS}`);
  const navigation: ApiTopic[] = topics.map(({ name, title, members: own }) => ({ name, title,
    members: KINDS.flatMap(({ kinds }) =>
      own.filter((member) => member.kindOf(kinds)).map((member) => ({ name: member.name, page: pageName(member) }))
    ) })
  );
  await writeFile(join(generated, "api.json"), JSON.stringify(navigation));
}

const INTRODUCTION = `# API reference

Everything that \`reviewkd\` and [\`reviewkd/worker\`](worker/index.md) export. Options are in tables: type and range, default, description. \`?\` marks what can
be left out. The guides show how the parts work together: [in TypeScript](../typescript.md).

| part | contents | members |
|---|---|---|
`;

const SCHEMAS = `
## Schemas

Options are checked by [zod](https://zod.dev) schemas, from which their types are inferred: the types whose names end in \`Input\` are passed, the same names without it have all
defaults filled in. \`schemas\` exports them under the names of the types, to check settings of your own:

\`\`\`ts
import { schemas } from "reviewkd";

const settings = schemas.TrainingOptions.parse({ epochs: 30 });
console.log(settings.batchSize); // 128
\`\`\`
`;

/** The members of the modules and of the namespaces in them. */
export function membersOf(project: ProjectReflection): DeclarationReflection[] {
  const inside = (reflection: DeclarationReflection): DeclarationReflection[] =>
    reflection.kindOf([ReflectionKind.Module, ReflectionKind.Namespace]) ? (reflection.children ?? []).flatMap(inside)
      : reflection.kind === ReflectionKind.Reference ? [] : [reflection];
  return (project.children ?? []).flatMap(inside).sort((a, b) => a.name.localeCompare(b.name, "en"));
}

function tablesOf(members: readonly DeclarationReflection[]): string {
  return KINDS.map(({ title, kinds }) => {
    const rows = members.filter((member) => member.kindOf(kinds)).map((member) =>
      `| [\`${member.name}\`](${pageName(member)}.md) | ${firstSentence(member)} |\n`
    );
    return rows.length === 0 ? "" : `\n## ${title}\n\n| name | description |\n|---|---|\n${rows.join("")}`;
  }).join("");
}

/** The first sentence of a comment, as text without links. */
function firstSentence(member: DeclarationReflection): string {
  const comment = member.comment ?? member.signatures?.find((signature) => signature.comment !== undefined)?.comment;
  const text = (comment?.summary ?? []).map((part) => part.kind === "inline-tag" ? `\`${part.text}\`` : part.text)
    .join("").replace(/\s+/g, " ").trim();
  const sentence = /^.*?[.:](?= |$)/.exec(text)?.[0] ?? text;
  return sentence.replace(/:$/, ".").replaceAll("|", "\\|").replaceAll("<", "&lt;");
}
