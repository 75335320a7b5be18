import { z } from "zod";

/**
 * An object in which a task names numbers. Its type has the names of classification, since that is what most programs
 * read; values of every task are accepted.
 *
 * @param shape - all fields, those of classification included.
 * @param named - the fields that classification names.
 */
export function taskObject<Shape extends z.ZodRawShape>(shape: Shape,
  named: readonly (keyof Shape)[]): z.ZodObject<Shape, z.core.$strict> {
  const fields = Object.entries(shape).map((
    [name, schema],
  ) => [name, named.includes(name) ? z.optional(schema) : schema]);
  return z.object(Object.fromEntries(fields) as z.ZodRawShape).catchall(z.number()) as unknown as z.ZodObject<Shape,
    z.core.$strict>;
}
