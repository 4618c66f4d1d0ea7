import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Type, type TSchema } from 'typebox'
import { pageQuery, strictObject } from '#api/contract.ts'
import { createLabel, updateLabel } from '#api/routes/labels.ts'
import { createGrant } from '#api/routes/grants.ts'
import { RegistryError } from '#oci/errors.ts'
import { validated } from './validate.ts'

const refusal = (schema: TSchema | undefined, value: unknown, part: 'query' | 'path' | 'body' = 'body'): RegistryError => {
  try {
    validated(schema, value, part)
  } catch (error) {
    assert.ok(error instanceof RegistryError)
    return error
  }
  return assert.fail('it fits')
}

suite('what does not fit is said so that a person understands it:', () => {
  const thing = strictObject({
    name: Type.String({ minLength: 2, maxLength: 5, pattern: '^[a-z]+$', description: 'Lower-case letters.' }),
    count: Type.Optional(Type.Integer({ minimum: 1, maximum: 9 })),
    isOn: Type.Optional(Type.Boolean()),
    until: Type.Optional(Type.Union([Type.String({ format: 'date-time' }), Type.Null()])),
    kind: Type.Optional(Type.Enum(['plain', 'odd'])),
    list: Type.Optional(Type.Array(Type.String(), { minItems: 1, maxItems: 2 })),
    one: Type.Optional(
      Type.Object(
        { a: Type.Optional(Type.Integer()), b: Type.Optional(Type.Integer()) },
        { additionalProperties: false, minProperties: 1, maxProperties: 1 },
      ),
    ),
  })
  for (const [value, sentence] of [
    [{ name: 'ab', foo: 1 }, 'foo: is not a member of this: name, count, isOn, until, kind, list, one are'],
    [{}, 'name: is missing'],
    [{ name: 'a' }, 'name: must have at least 2 characters'],
    [{ name: 'abcdef' }, 'name: must have at most 5 characters'],
    [{ name: 'AB' }, 'name: has not the form that is wanted: lower-case letters'],
    [{ name: 7 }, 'name: must be a text'],
    [{ name: 'ab', count: '1' }, 'count: must be a whole number'],
    [{ name: 'ab', count: 0 }, 'count: must be 1 or more'],
    [{ name: 'ab', count: 10 }, 'count: must be 9 or less'],
    [{ name: 'ab', isOn: 1 }, 'isOn: must be true or false'],
    [{ name: 'ab', until: 'tomorrow' }, 'until: must be an instant such as 2026-01-31T12:00:00Z, or null'],
    [{ name: 'ab', until: '2030-02-30T00:00:00Z' }, 'until: must be an instant such as 2026-01-31T12:00:00Z, or null'],
    [{ name: 'ab', until: '2016-12-31T23:59:60Z' }, 'until: must be an instant such as 2026-01-31T12:00:00Z, or null'],
    [{ name: 'ab', kind: 'x' }, 'kind: must be one of plain, odd'],
    [{ name: 'ab', list: [] }, 'list: must have at least 1 item'],
    [{ name: 'ab', list: ['a', 1] }, 'list/1: must be a text'],
    [{ name: 'ab', one: {} }, 'one: give exactly one of a, b'],
    [{ name: 'ab', one: { a: 1, b: 1 } }, 'one: give exactly one of a, b'],
    [[], 'the body must be an object'],
    [null, 'the body must be an object'],
    [{ count: 0 }, 'name: is missing; count: must be 1 or more'],
  ] as const)
    test(`${JSON.stringify(value)}: ${sentence}`, () => assert.equal(refusal(thing, value).message, sentence))

  test('of a long choice what was meant comes first, and how many more there are', () => {
    const names = Array.from({ length: 90 }, (_, index) => `thing:verb${index}`)
    const choice = strictObject({ permission: Type.Enum([...names, 'tag:delete']) })
    const { message } = refusal(choice, { permission: 'tag:delte' })
    assert.match(message, /^permission: must be one of tag:delete, thing:verb0, /)
    assert.match(message, /, … and 51 more$/)
    assert.match(refusal(choice, { permission: '?' }).message, /one of thing:verb0, .*… and 51 more$/)
    const few = strictObject({ kind: Type.Enum(names.slice(0, 40)) })
    assert.doesNotMatch(refusal(few, { kind: '?' }).message, /more/)
  })

  test('the orders of a list are named', () => {
    const { message, detail } = refusal(strictObject(pageQuery(['name', 'createdAt'])), { sort: 'id' }, 'query')
    assert.equal(message, 'sort: must be one of name, -name, createdAt, -createdAt')
    assert.deepEqual(detail, [{ path: 'query/sort', message: 'must be one of name, -name, createdAt, -createdAt' }])
  })

  test('a colour is shown, and capitals in it are taken', () => {
    assert.equal(refusal(createLabel.body, { name: 'x', color: 'green' }).message, 'color: must look like #2da44e')
    assert.ok(validated(createLabel.body, { name: 'x', color: '#2DA44E' }, 'body'))
    assert.equal(refusal(updateLabel.body, {}).message, 'give at least one of name, color, description')
  })

  test('of a choice, only what is meant is spoken of', () => {
    assert.equal(
      refusal(createGrant.body, { subject: { kind: 'user', id: 'x' }, role: 'guest' }).message,
      'subject/id: must be a whole number',
    )
    assert.match(
      refusal(createGrant.body, { subject: { kind: 'nobody', name: 'x' }, role: 'guest' }).message,
      /^subject\/kind: must be one of user, group, robot, everyone, signed-in$/,
    )
    assert.match(refusal(createGrant.body, { subject: 'x', role: 'guest' }).message, /^subject: must be an object$/)
  })

  test('a text with U+0000, which not every database can keep, is refused wherever it is', () => {
    assert.equal(refusal(thing, { name: 'a\0b' }).message, 'name: must not contain U+0000')
    assert.equal(refusal(thing, { name: 'ab', list: ['x', '\0'] }).message, 'list/1: must not contain U+0000')
    assert.equal(refusal(thing, { name: 'ab', 'x\0y': 1 }).message, 'xy: must not contain U+0000')
    assert.equal(refusal(strictObject({ name: Type.String() }), { name: '\0' }, 'query').message, 'name: must not contain U+0000')
  })

  test('a query that takes nothing says what was too much', () => {
    assert.equal(refusal(undefined, { x: '1' }, 'query').message, 'x: this takes no parameters')
  })

  test('a body that takes nothing says what was too much, and none or an empty one is none', () => {
    assert.equal(refusal(undefined, { name: 'x' }).message, 'name: this takes no body')
    for (const none of [undefined, null, {}]) assert.equal(validated(undefined, none, 'body'), none)
  })

  test('what was sent is not said back at length, and many faults are not all told', () => {
    const long = 'x'.repeat(5_000)
    const { message } = refusal(thing, { name: 'ab', [long]: 1 })
    assert.ok(message.length < 300, message)
    const many = refusal(thing, Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`m${index}`, 1])))
    assert.ok(many.message.length < 600 && (many.detail as unknown[]).length <= 20, many.message)
    assert.match(many.message, /; and 98 more$/)
  })
})
