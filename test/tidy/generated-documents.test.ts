import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { documentErrors } from '#oci/document-errors.ts'
import { documentPermissions } from '../../cli/document-permissions.ts'

test('docs/reference/errors.md is what the error table says', () => {
  const file = join(import.meta.dirname, '../../docs/reference/errors.md')
  assert.equal(readFileSync(file, 'utf8'), documentErrors(), 'run `npm run docs`')
})

test('docs/reference/permissions.md is what the permissions, the roles and the routes say', () => {
  const file = join(import.meta.dirname, '../../docs/reference/permissions.md')
  assert.equal(readFileSync(file, 'utf8'), documentPermissions(), 'run `npm run docs`')
})
