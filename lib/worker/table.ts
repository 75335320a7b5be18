// How classes and functions are described so that a caller in another process or thread can use them: one row each.
import type { z } from "zod";

/** One method or function, as the generic proxy reads it. */
export interface Row {
  readonly args: readonly z.ZodType[];
  /** Resolved or returned value; of a generator, its return value. */
  readonly result: z.ZodType;
  /** Value that a generator yields; absent unless it is one. */
  readonly item?: z.ZodType;
  /** Whether the last argument is an options object with a `signal`. */
  readonly signal?: boolean;
  /** That object's callbacks by name, with their arguments; absent unless it has any. */
  readonly callbacks?: Readonly<Record<string, z.ZodType>>;
  /** Whether nothing else uses the buffers of the result, so that they can be transferred. */
  readonly transfer?: boolean;
  /** Path of the checkpoint that a result or item reports; null when it reports none. */
  checkpoint?(args: readonly unknown[], value: unknown): string | null;
  /** Directory of a run whose checkpoints survive the worker. */
  runDirectory?(args: readonly unknown[]): string | undefined;
}

/** One class: what is sent along with a handle, and what is called through it. */
export interface ClassRow {
  /** Properties, and the results of {@link CONSTANTS}. */
  readonly properties: Readonly<Record<string, z.ZodType>>;
  /** Properties that change while an object lives. Lists only grow. */
  readonly live?: readonly string[];
  readonly methods: Readonly<Record<string, Row>>;
}

/** Everything that a worker serves. */
export interface Table {
  readonly classes: Readonly<Record<string, ClassRow>>;
  /** Functions that create an object of a class while the caller does not wait, by the name of the class. */
  readonly constructors: Readonly<Record<string, Row>>;
  readonly functions: Readonly<Record<string, Row>>;
}

type Last<Args extends readonly unknown[]> = Required<Args> extends readonly [...unknown[], infer Options] ? Options
  : object;

type SignalOf<Options> = "signal" extends keyof Options ? { readonly signal: true } : { readonly signal?: never };

/** The argument of a callback; `never` for an option that is none. */
type ValueOfCallback<Option> = NonNullable<Option> extends infer Callback
  ? [Callback] extends [(value: infer Value) => void] ? Value : never
  : never;

type CallbackNames<Options, Names extends keyof Options = Extract<keyof Options, `on${string}`>> = {
  [Name in Names]-?: [ValueOfCallback<Options[Name]>] extends [never] ? never : Name;
}[Names];

type CallbacksOf<Options> = [CallbackNames<Options>] extends [never] ? { readonly callbacks?: never }
  : { readonly callbacks: { readonly [Name in CallbackNames<Options>]: z.ZodType<ValueOfCallback<Options[Name]>> } };

type ResultOf<Result> = [Result] extends [AsyncGenerator<infer Item, infer Return>]
  ? { readonly item: z.ZodType<Item>; readonly result: z.ZodType<Return> }
  : { readonly item?: never; readonly result: z.ZodType<Awaited<Result>> };

type ValueOf<Result> = [Result] extends [AsyncGenerator<infer Item>] ? Item : Awaited<Result>;

/** The row that describes `Method`: a parameter, signal, callback or result that it lacks does not compile. */
export type RowOf<Method> = Method extends (...args: infer Args) => infer Result
  ? ResultOf<Result> & SignalOf<Last<Args>> & CallbacksOf<Last<Args>> & {
    readonly args: { readonly [Index in keyof Required<Args>]: z.ZodType };
    readonly transfer?: boolean;
    checkpoint?(args: Args, value: ValueOf<Result>): string | null;
    runDirectory?(args: Args): string | undefined;
  }
  : never;

/** Members of the API's classes that stay within its own process. */
export type Internal = "native" | "images" | "origin" | "distributed";

/**
 * Methods with a constant result, which is sent like a property, so that they stay synchronous. Each has the option
 * that changes its result, if there is one; two results are sent then, without and with it.
 */
export const CONSTANTS = { parameterCount: "trainable", trainingOnlyParameterCount: null } as const;
export type Constant = keyof typeof CONSTANTS;

/** The flag of a constant; `undefined` for any other member. */
export function flagOf(name: string): string | null | undefined {
  return Object.hasOwn(CONSTANTS, name) ? CONSTANTS[name as Constant] : undefined;
}

/** The value that is sent for a constant. */
type ConstantOf<Name, Result> = Name extends Constant
  ? (typeof CONSTANTS)[Name] extends string ? [plain: Result, flagged: Result] : Result
  : never;

type MethodName<Class> = {
  [Key in keyof Class]: Class[Key] extends (...args: never[]) => unknown ? Exclude<Key, Internal | "dispose" | symbol>
    : never;
}[keyof Class];

type PropertyName<Class> = Exclude<keyof Class, Exclude<MethodName<Class>, Constant> | Internal | "dispose" | symbol>;

/** The row that describes `Class`: a public member that it lacks does not compile. */
export interface ClassRowOf<Class> {
  readonly properties: {
    readonly [Key in PropertyName<Class>]: z.ZodType<
      Class[Key] extends (...args: never[]) => infer Result ? ConstantOf<Key, Result> : Class[Key]
    >;
  };
  readonly live?: readonly PropertyName<Class>[];
  readonly methods: { readonly [Key in Exclude<MethodName<Class>, Constant>]: RowOf<Class[Key]> };
}
