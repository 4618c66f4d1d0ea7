/**
 * What a route of the management API is: one value from which validation, filtering of answers, OpenAPI, the right that is asked for, the typed client
 * and the documentation come.
 *
 * To add a route: define it in the file of its resource in api/routes/ (they are listed in routes/all.ts), and serve it in http/api/ under the same name.
 */
import {
  Type,
  type Static,
  type TArray,
  type TEnum,
  type TInteger,
  type TObject,
  type TOptional,
  type TSchema,
  type TString,
} from 'typebox'
import type { Permission } from './permissions.ts'

/** Who may call a route. A `project` or `repository` is the path parameter of that name; what the caller may not see answers as if it did not exist. */
export type Demand =
  /** Whoever asks, without an account too. */
  | { readonly who: 'anyone' }
  /** Whoever has an account: their own things. */
  | { readonly who: 'signed-in' }
  /** Lists that hold only what the caller may see; an empty page otherwise. */
  | { readonly who: 'anyone'; readonly permission: Permission; readonly on: 'visible' }
  /** A thing of a number, which alone tells in which project it is: its handler asks for the permission there. */
  | { readonly who: 'anyone'; readonly permission: Permission; readonly on: 'thing' }
  | { readonly permission: Permission; readonly on: 'system' | 'project' | 'repository' }

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** A route's promise. Schemas of objects refuse unknown members; a response keeps only the members of its schema. */
export interface RouteContract {
  readonly method: Method
  /** Below `/api/v1`, parameters as `{name}`; a parameter never spans a slash, so names of projects and repositories are percent-encoded in it. */
  readonly path: `/${string}`
  /** The resource, for grouping. */
  readonly tag: string
  /** One sentence. */
  readonly summary: string
  readonly demand: Demand
  /** Needs a fresh second factor from people who have one (destructive administration). */
  readonly needsElevation?: true
  /** The same, in some cases only: in which, as words after "when". */
  readonly elevationWhen?: string
  /** What its handler asks for besides the demand, in words: `project:create` on …. */
  readonly alsoNeeds?: string
  readonly params?: TObject
  readonly query?: TObject
  readonly body?: TSchema
  /** None is as good as an empty object. */
  readonly isBodyOptional?: true
  /** Media types of a body that has no schema: the handler reads it as it comes. */
  readonly consumes?: readonly string[]
  /** Of 200 or 201; absent: 204 without a body. */
  readonly response?: TSchema
  /** Media types of an answer that is streamed and has no schema. */
  readonly produces?: readonly string[]
  /** 200 unless said. 201 comes with a Location, and so does 303, which sends a browser on. */
  readonly status?: 200 | 201 | 202 | 204 | 303
  /**
   * The answer has an ETag, and a change asks for it in If-Match (absent: the change is made whatever the state): the version of the thing, or the digest
   * that it points at. Where there is none, an If-Match is refused.
   */
  readonly hasEtag?: true | 'digest'
}

/** Keeps the literal types of a route. */
export function defineRoute<const Route extends RouteContract>(route: Route): Route {
  return route
}

type StaticOr<Schema, Otherwise> = Schema extends TSchema ? Static<Schema> : Otherwise
export type ParamsOf<Route extends RouteContract> = StaticOr<Route['params'], Record<never, never>>
export type QueryOf<Route extends RouteContract> = StaticOr<Route['query'], Record<never, never>>
export type BodyOf<Route extends RouteContract> = StaticOr<Route['body'], undefined>
export type ResponseOf<Route extends RouteContract> = StaticOr<Route['response'], undefined>

/**
 * Of a member of a body that is a choice: which branch is meant is told by what its schema does not see, such as the kind in a row. It is documented as a choice, and whoever
 * serves the route checks the branch that is meant, so that a refusal speaks of no other.
 */
export const judgedByServer = { 'x-judged-by-server': true } as const

/** Characters that turn the direction of the text after them (Unicode's Bidi_Control): what bears one is read as something else. For patterns. */
export const turningCharacters = '\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069'

/** An object that refuses members it does not know. */
export function strictObject<Members extends Record<string, TSchema>>(members: Members): TObject<Members> {
  return Type.Object(members, { additionalProperties: false })
}

/** A page of a list: `next` is the cursor of the page after it, absent on the last. */
export function pageOf<Item extends TSchema>(item: Item): TObject<{ items: TArray<Item>; next: TOptional<TString> }> {
  return strictObject({ items: Type.Array(item), next: Type.Optional(Type.String()) })
}

type PageMembers<Sort extends string> = {
  limit: TOptional<TInteger>
  cursor: TOptional<TString>
  sort: TOptional<TEnum<(Sort | `-${Sort}`)[]>>
}

/** Query members of every list. `sort` is one of the names, with `-` before it for descending order. */
export function pageQuery<Sort extends string>(sorts: readonly Sort[]): PageMembers<Sort> {
  return {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'How many items at most; 100 unless said.' })),
    cursor: Type.Optional(Type.String({ maxLength: 1024, description: '`next` of the page before.' })),
    sort: Type.Optional(Type.Enum(sorts.flatMap((sort): (Sort | `-${Sort}`)[] => [sort, `-${sort}`]))),
  }
}

/** Milliseconds are for rows; people and programs get RFC 3339. */
export const instant = Type.String({ format: 'date-time' })

/** RFC 9457, with the code of the error table and the id by which an operator finds the request in the log. */
export const problem = strictObject({
  type: Type.String({ description: 'A URN of the code.' }),
  title: Type.String({ description: 'What the code means: the same words each time.' }),
  status: Type.Integer({ description: 'Of the answer.' }),
  code: Type.String({ description: 'For programs: docs/reference/errors.md lists them all.', examples: ['REQUEST_INVALID'] }),
  detail: Type.Optional(
    Type.String({ description: 'What is the matter with this request, in a sentence.', examples: ['color: must look like #2da44e'] }),
  ),
  requestId: Type.String({ description: 'By which an operator finds the request in the log.' }),
  errors: Type.Optional(
    Type.Array(strictObject({ path: Type.String({ examples: ['body/color'] }), message: Type.String() }), {
      description: 'Which parts of the request do not fit.',
    }),
  ),
  facts: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { description: 'What the sentence speaks of, for programs.' })),
})
