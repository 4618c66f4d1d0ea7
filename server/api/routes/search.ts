/** Search: one question about everything that has a name. */
import { Type } from 'typebox'
import { defineRoute, strictObject, type RouteContract } from '#api/contract.ts'

/** What can be found. */
export const searchKind = Type.Enum(['project', 'repository', 'tag', 'digest', 'label'])

/** Something found. */
export const foundThing = strictObject({
  kind: searchKind,
  project: Type.Optional(Type.String({ description: 'Name of its project; absent for a label that is for all repositories.' })),
  repository: Type.Optional(Type.String({ description: 'Full name; absent for projects and labels.' })),
  tag: Type.Optional(Type.String()),
  digest: Type.Optional(Type.String({ description: 'What was found; of a tag, what it points at.' })),
  content: Type.Optional(Type.Enum(['manifest', 'blob'], { description: 'What the digest is of.' })),
  label: Type.Optional(Type.String()),
  match: Type.Enum(['exact', 'beginning', 'part'], {
    description:
      'How well it fits: the name, or its last part, is the text; the name or a part of it begins so; the text is somewhere in it.',
  }),
})

/** Find what the caller may see by a text. */
export const search = defineRoute({
  method: 'GET',
  path: '/search',
  tag: 'search',
  summary:
    'Find projects and repositories by a part of their names, tags by their beginning, manifests and blobs by the beginning of their digest, labels by a part of their names: what the caller may see, each kind by itself, what fits best first.',
  demand: { who: 'anyone', permission: 'repository:list', on: 'visible' },
  alsoNeeds:
    '`project:list` for projects, `tag:list` for tags, `manifest:list` for manifests, `manifest:read` for blobs and `label:list` for labels of projects, each where the thing is; an account for labels that are for all repositories',
  query: strictObject({
    q: Type.String({
      minLength: 1,
      maxLength: 512,
      pattern: '^[^\\x00-\\x1f\\x7f]*$',
      description:
        'The text. `name:tag` and `name@digest` look in the repositories with that name alone; the name of this server before it is left out. A digest needs six digits at least, with or without its algorithm.',
      examples: ['nginx', 'team/app:1.2', 'sha256:0d2f8c'],
    }),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 50, description: 'How many of each kind at most; 10 unless said.' })),
    kinds: Type.Optional(
      Type.String({
        maxLength: 100,
        pattern: '^(?:project|repository|tag|digest|label)(?:,(?:project|repository|tag|digest|label))*$',
        description: 'Which kinds, with commas between; all unless said.',
        examples: ['repository,tag'],
      }),
    ),
  }),
  response: strictObject({
    items: Type.Array(foundThing),
    isComplete: Type.Boolean({
      description:
        'False: there is more, or may be. Whoever sees more than a thousand repositories has three thousand entries looked at for a tag or a digest.',
    }),
  }),
})

/** In the order of the documentation. */
export const searchContracts: readonly RouteContract[] = [search]
