// Where the page of each member is: api/TOPIC/NAME.
import { posix } from "node:path";
import { type PageDefinition, type ProjectReflection, type Reflection, ReflectionKind } from "typedoc";
import { MemberRouter } from "typedoc-plugin-markdown";
import { topicOf } from "./topics.js";

/** Where two names differ in case alone, which some file systems do not distinguish, the second has a number. */
const pageNames = new Map<Reflection, string>();

/** The name of a member's page within its folder. */
export function pageName(reflection: Reflection): string {
  return pageNames.get(reflection) ?? reflection.name;
}

export class TopicRouter extends MemberRouter {
  /** Modules and namespaces have no page: the pages of topics, which list their members, take their place. */
  override buildPages(project: ProjectReflection): PageDefinition[] {
    const pages = super.buildPages(project).filter(({ model }) => !isContainer(model as Reflection));
    for (const { url, model } of pages) pageNames.set(model as Reflection, posix.basename(url, ".md"));
    return pages;
  }

  override getIdealBaseName(reflection: Reflection): string {
    if (isContainer(reflection)) return `${containerFolder(reflection)}index`;
    return `${folderOf(reflection)}/${this.getReflectionAlias(reflection)}`;
  }
}

export function isContainer(reflection: Reflection): boolean {
  return reflection.kindOf([ReflectionKind.Project, ReflectionKind.Module, ReflectionKind.Namespace]);
}

function containerFolder(reflection: Reflection): string {
  return reflection.kindOf(ReflectionKind.Namespace) ? `${reflection.name}/` : "";
}

/** The namespace that a member belongs to, or the topic of its file. */
export function folderOf(reflection: Reflection): string {
  const { parent } = reflection;
  if (parent?.kindOf(ReflectionKind.Namespace) === true)
    return parent.parent?.kindOf(ReflectionKind.Namespace) === true ? parent.parent.name : parent.name;
  const [source] = reflection.isDeclaration() ? reflection.sources ?? [] : [];
  return topicOf((source?.fileName ?? "").replace(/^.*?lib\//, ""));
}
