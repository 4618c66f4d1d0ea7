import { defineConfig } from 'oxlint'

/**
 * Which rooms each room may import; ARCHITECTURE.md has the same table in prose. A room may always import itself.
 * main.ts, at the root of server/, wires all of them and is under no rule.
 */
const rooms: Record<string, string[]> = {
  lib: [],
  oci: ['lib'],
  api: ['lib', 'oci'],
  config: ['lib', 'oci'],
  blobs: ['lib', 'oci', 'config'],
  metadata: ['lib', 'oci', 'config'],
  events: ['lib', 'oci', 'metadata'],
  jobs: ['lib', 'oci', 'metadata', 'events'],
  access: ['lib', 'oci', 'api', 'config', 'metadata', 'events'],
  projects: ['lib', 'oci', 'metadata', 'events'],
  registry: ['lib', 'oci', 'metadata', 'blobs', 'events', 'jobs', 'projects'],
  features: ['lib', 'oci', 'config', 'metadata', 'blobs', 'events', 'jobs', 'access', 'projects', 'registry'],
  http: ['lib', 'oci', 'api', 'config', 'access', 'jobs', 'projects', 'registry', 'features'],
}

function mayImport(name: string, files: string[], allowed: string[]) {
  const group = ['#*', '#*/**', ...allowed.map((room) => (room.endsWith('.ts') ? `!#${room}` : `!#${room}/**`))]
  const message = `${name} may import only: ${allowed.join(', ')}`
  return { files, rules: { 'no-restricted-imports': ['error', { patterns: [{ group, message }] }] } }
}

/** Globals that would make the real code run differently under a simulator; `lib/ports.ts` hands out what replaces them. */
const impure = [
  { object: 'Date', property: 'now', message: 'Take the time from ports.clock.' },
  { object: 'Math', property: 'random', message: 'Take randomness from ports.random.' },
]
const impureGlobals = ['setTimeout', 'setInterval'].map((name) => ({ name, message: 'Take timers from ports.timers.' }))

export default defineConfig({
  plugins: ['typescript', 'import', 'unicorn', 'oxc', 'promise', 'node'],
  categories: { correctness: 'error' },
  ignorePatterns: ['node_modules', 'dist', 'data'],
  rules: {
    'import/no-relative-parent-imports': 'error',
    'import/no-cycle': 'error',
    'import/no-default-export': 'error',
    'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
    'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
    'max-params': ['error', 4],
    'max-depth': ['error', 3],
    complexity: ['error', 12],
    'no-console': 'error',
    'node/no-process-env': 'error',
    'no-warning-comments': ['error', { terms: ['fixme', 'hack', 'xxx'] }],
    'typescript/no-floating-promises': [
      'error',
      { allowForKnownSafeCalls: [{ from: 'package', package: 'node:test', name: ['test', 'suite', 'describe', 'it', 'before', 'after'] }] },
    ],
    'typescript/no-misused-promises': 'error',
    'typescript/switch-exhaustiveness-check': 'error',
    'typescript/only-throw-error': 'error',
    'typescript/no-explicit-any': 'error',
    'typescript/no-non-null-assertion': 'error',
    'typescript/consistent-type-imports': 'error',
    'typescript/explicit-module-boundary-types': 'error',
    'unicorn/filename-case': ['error', { case: 'kebabCase' }],
  },
  overrides: [
    {
      files: ['server/**'],
      rules: { 'no-restricted-properties': ['error', ...impure], 'no-restricted-globals': ['error', ...impureGlobals] },
    },
    ...Object.entries(rooms).map(([room, allowed]) =>
      // Features know nothing of each other: the room is left out of its own list.
      mayImport(room, [`server/${room}/**`], room === 'features' ? allowed : [room, ...allowed]),
    ),
    mayImport('cli', ['cli/**'], ['lib', 'oci', 'api', 'config', 'main.ts']),
    { files: ['server/config/**', 'cli/**', 'test/**', 'bench/**', '**/*.test.ts'], rules: { 'node/no-process-env': 'off' } },
    { files: ['cli/**', 'bench/**', 'test/**'], rules: { 'no-console': 'off' } },
    // Tests and load programs are scripts: longer functions, real timers, and relative paths into their own tree are fine there.
    {
      files: ['test/**', 'bench/**', '**/*.test.ts'],
      rules: {
        'max-lines-per-function': 'off',
        'no-restricted-properties': 'off',
        'no-restricted-globals': 'off',
        'import/no-relative-parent-imports': 'off',
        'typescript/explicit-module-boundary-types': 'off',
        'typescript/no-non-null-assertion': 'off',
        // Test fixtures are plain objects of functions, taken apart where they are used.
        'typescript/unbound-method': 'off',
      },
    },
    // The portal is a tree of its own: its folders are no rooms, its components say by their names what they give.
    {
      files: ['web/src/**'],
      rules: {
        'import/no-relative-parent-imports': 'off',
        'typescript/explicit-module-boundary-types': 'off',
        // Each part of a page that may be absent counts as a branch.
        complexity: ['error', 20],
        // The router takes redirects so.
        'typescript/only-throw-error': ['error', { allow: [{ from: 'package', package: '@tanstack/router-core', name: 'Redirect' }] }],
      },
    },
    // Dictionaries are called by their tags of BCP 47.
    { files: ['web/src/locales/**'], rules: { 'unicorn/filename-case': 'off' } },
    { files: ['oxlint.config.ts'], rules: { 'import/no-default-export': 'off' } },
  ],
})
