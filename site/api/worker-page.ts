// The page of TrainingWorker, whose functions are those of the package: a list with links instead of their types again.
import { DeclarationReflection, type ProjectReflection, ReflectionKind } from "typedoc";
import { membersOf } from "./index-pages.js";
import { folderOf, pageName } from "./router.js";

/** Removes the inherited members of an interface; returns their names. */
export function takeInherited(project: ProjectReflection, name: string): string[] {
  const found = Object.values(project.reflections).find((reflection): reflection is DeclarationReflection =>
    reflection instanceof DeclarationReflection && reflection.kind === ReflectionKind.Interface &&
    reflection.name === name
  );
  if (found === undefined) throw new Error(`no interface ${name} in the API reference. Adapt site/api/generate.ts.`);
  const inherited = (found.children ?? []).filter((child) => child.inheritedFrom !== undefined);
  for (const child of inherited) project.removeReflection(child);
  delete found.extendedTypes;
  return inherited.map((child) => child.name);
}

/** The functions of the package that a worker has as well, with links to their pages. */
export function inheritedText(names: readonly string[], project: ProjectReflection): string {
  const members = membersOf(project);
  const rows = names.map((name) => {
    const member = members.find((one) => one.name === name && one.kind === ReflectionKind.Function);
    if (member === undefined) throw new Error(`no page for ${name} of a worker. Adapt site/api/worker-page.ts.`);
    return `- [\`${name}\`](../${folderOf(member)}/${pageName(member)}.md)\n`;
  });
  return `\n## Functions of the package\n\nThe same names and parameters as in \`reviewkd\`. Results are promises, and objects stay in the worker.\n\n${rows.join("")}`;
}
