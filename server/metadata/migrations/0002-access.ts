/**
 * Migration 2: who may do what. Identity providers, groups, roles, grants, robots, tokens, sessions, keys; what projects and events gain by them; labels.
 *
 * A column that a row of before must have comes with a default, the only defaults of the schema: the program always writes the value.
 */
import { sql, type Kysely } from 'kysely'
import { builderFor, create, widen, type Builder } from './builder.ts'

async function createIdentities(builder: Builder): Promise<void> {
  const { index } = builder
  await create(builder, 'providers', {
    name: 'text',
    kind: 'text',
    title: 'text',
    is_enabled: 'int64',
    position: 'int64',
    settings: 'text',
    secrets: 'bytes?',
    version: 'int64',
    created_at: 'int64',
    updated_at: 'int64',
  })
  await index('providers', ['name'], 'unique')
  await create(
    builder,
    'identities',
    {
      user_id: 'int64',
      provider_id: 'int64',
      issuer: 'text',
      subject: 'text',
      attributes: 'text',
      refreshed_at: 'int64',
      created_at: 'int64',
    },
    { user_id: ['users', 'cascade'], provider_id: ['providers', 'cascade'] },
  )
  await index('identities', ['provider_id', 'issuer', 'subject'], 'unique')
  await index('identities', ['user_id'])
}

async function createGroups(builder: Builder): Promise<void> {
  const { index } = builder
  await create(
    builder,
    'groups',
    {
      name: 'text',
      provider_id: 'int64?',
      external_name: 'text?',
      description: 'text',
      version: 'int64',
      created_at: 'int64',
      updated_at: 'int64',
    },
    { provider_id: ['providers', 'cascade'] },
  )
  await index('groups', ['name'], 'unique')
  await index('groups', ['provider_id', 'external_name'])
  await index('groups', ['created_at'])
  await create(
    builder,
    'group_members',
    { group_id: 'int64', user_id: 'int64', provider_id: 'int64?', created_at: 'int64' },
    { group_id: ['groups', 'cascade'], user_id: ['users', 'cascade'], provider_id: ['providers', 'cascade'] },
  )
  await index('group_members', ['group_id', 'user_id'], 'unique')
  await index('group_members', ['user_id'])
  await index('group_members', ['group_id', 'created_at'])
}

async function createProofs(builder: Builder): Promise<void> {
  const { index } = builder
  await create(
    builder,
    'second_factors',
    {
      user_id: 'int64',
      kind: 'text',
      name: 'text',
      credential_id: 'text?',
      secret: 'bytes',
      counter: 'int64',
      created_at: 'int64',
      last_used_at: 'int64?',
    },
    { user_id: ['users', 'cascade'] },
  )
  await index('second_factors', ['user_id'])
  await create(builder, 'login_failures', { subject: 'text', failures: 'int64', last_at: 'int64', blocked_until: 'int64' })
  await index('login_failures', ['subject'], 'unique')
  await index('login_failures', ['last_at'])
}

async function createGrants(builder: Builder): Promise<void> {
  const { index } = builder
  await create(builder, 'roles', {
    name: 'text',
    title: 'text',
    description: 'text',
    permissions: 'text',
    version: 'int64',
    created_at: 'int64',
    updated_at: 'int64',
  })
  await index('roles', ['name'], 'unique')
  await create(
    builder,
    'robots',
    {
      name: 'text',
      project_id: 'int64?',
      description: 'text',
      is_disabled: 'int64',
      allowed_addresses: 'text',
      expires_at: 'int64?',
      last_used_at: 'int64?',
      created_by: 'text',
      version: 'int64',
      created_at: 'int64',
      updated_at: 'int64',
    },
    { project_id: ['projects', 'cascade'] },
  )
  await index('robots', ['project_id', 'name'])
  await create(
    builder,
    'grants',
    {
      user_id: 'int64?',
      group_id: 'int64?',
      robot_id: 'int64?',
      subject_kind: 'text',
      role: 'text',
      project_id: 'int64?',
      repositories: 'text?',
      expires_at: 'int64?',
      created_by: 'text',
      created_at: 'int64',
      version: 'int64',
    },
    {
      user_id: ['users', 'cascade'],
      group_id: ['groups', 'cascade'],
      robot_id: ['robots', 'cascade'],
      project_id: ['projects', 'cascade'],
    },
  )
  // Lists are in the order in which grants were given, whatever they are narrowed by.
  for (const column of ['user_id', 'group_id', 'robot_id', 'project_id', 'subject_kind', 'role'])
    await index('grants', [column, 'created_at'])
  await index('grants', ['created_at'])
}

async function createCredentials(builder: Builder): Promise<void> {
  const { index } = builder
  await create(
    builder,
    'tokens',
    {
      kind: 'text',
      hash: 'bytes',
      hint: 'text',
      user_id: 'int64?',
      robot_id: 'int64?',
      name: 'text',
      scopes: 'text?',
      client: 'text',
      expires_at: 'int64?',
      last_used_at: 'int64?',
      created_by: 'text',
      created_at: 'int64',
    },
    { user_id: ['users', 'cascade'], robot_id: ['robots', 'cascade'] },
  )
  await index('tokens', ['hash'], 'unique')
  await index('tokens', ['user_id'])
  await index('tokens', ['robot_id'])
  await index('tokens', ['expires_at'])
  await create(
    builder,
    'sessions',
    {
      hash: 'bytes',
      user_id: 'int64?',
      provider_id: 'int64?',
      state: 'text',
      data: 'text',
      address: 'text',
      user_agent: 'text',
      elevated_until: 'int64',
      expires_at: 'int64',
      last_seen_at: 'int64',
      created_at: 'int64',
    },
    { user_id: ['users', 'cascade'], provider_id: ['providers', 'cascade'] },
  )
  await index('sessions', ['hash'], 'unique')
  await index('sessions', ['user_id'])
  await index('sessions', ['expires_at'])
  await create(builder, 'signing_keys', {
    key_id: 'text',
    algorithm: 'text',
    public_key: 'text',
    private_key: 'bytes',
    created_at: 'int64',
    retired_at: 'int64?',
  })
  await index('signing_keys', ['key_id'], 'unique')
  await create(
    builder,
    'robot_trusts',
    { robot_id: 'int64', provider_id: 'int64', audience: 'text', claims: 'text', description: 'text', created_at: 'int64' },
    { robot_id: ['robots', 'cascade'], provider_id: ['providers', 'cascade'] },
  )
  await index('robot_trusts', ['provider_id'])
  await index('robot_trusts', ['robot_id'])
}

async function createLabelsAndNames(builder: Builder): Promise<void> {
  const { index } = builder
  await create(
    builder,
    'labels',
    { project_id: 'int64?', name: 'text', color: 'text', description: 'text', version: 'int64', created_at: 'int64', updated_at: 'int64' },
    { project_id: ['projects', 'cascade'] },
  )
  await index('labels', ['project_id', 'name'])
  await create(
    builder,
    'manifest_labels',
    { manifest_id: 'int64', label_id: 'int64', created_at: 'int64' },
    { manifest_id: ['manifests', 'cascade'], label_id: ['labels', 'cascade'] },
  )
  await index('manifest_labels', ['manifest_id', 'label_id'], 'unique')
  await index('manifest_labels', ['label_id'])
  await create(builder, 'name_redirects', { kind: 'text', old_name: 'text', name: 'text', created_at: 'int64' })
  await index('name_redirects', ['kind', 'old_name'], 'unique')
  await index('name_redirects', ['kind', 'name'])
}

async function createSeals({ index, ...builder }: Builder): Promise<void> {
  await create({ index, ...builder }, 'event_seals', { first_id: 'int64', last_id: 'int64', count: 'int64', hash: 'bytes', at: 'int64' })
  await index('event_seals', ['last_id'], 'unique')
  // Of two that seal at once one fails here: each begins where the last seal ended.
  await index('event_seals', ['first_id'], 'unique')
}

/** For lists of accounts in each of their orders, and for the look whether a name differs from another by more than case. */
async function createUserIndexes(db: Kysely<unknown>, { index }: Builder): Promise<void> {
  await index('users', ['created_at'])
  await index('users', ['is_admin', 'name'])
  await index('users', ['is_disabled', 'name'])
  await sql`create index users_last_login on users (coalesce(last_login_at, 0))`.execute(db)
  await sql`create index users_lower_name on users (lower(name))`.execute(db)
}

/** A name is unique where it is; of two at once in the same place the second fails. */
async function createRobotIndexes(db: Kysely<unknown>, { index }: Builder): Promise<void> {
  await sql`create unique index robots_place_name on robots (coalesce(project_id, 0), name)`.execute(db)
  await index('robots', ['name'])
  await index('robots', ['created_at'])
}

/** Creates the tables of access, and widens users, projects, repositories and events. */
export async function createAccessTables(db: Kysely<unknown>): Promise<void> {
  const builder = builderFor(db)
  await widen(db, builder, 'users', { display_name: '', email: '', is_disabled: 0, version: 1, last_login_at: undefined })
  await widen(db, builder, 'projects', { is_public: 0, description: '', created_by: '', settings: '{}', version: 1, updated_at: 0 })
  await widen(db, builder, 'repositories', { description: '', version: 1, updated_at: 0 })
  await widen(db, builder, 'upload_sessions', { actor_key: '' })
  await widen(db, builder, 'events', {
    outcome: 'success',
    reason: '',
    project: '',
    target: '',
    actor_key: '',
    credential: '',
    address: '',
    user_agent: '',
    count: 1,
    project_id: undefined,
  })
  await createIdentities(builder)
  await createGroups(builder)
  await createProofs(builder)
  await createGrants(builder)
  await createCredentials(builder)
  await createLabelsAndNames(builder)
  await createSeals(builder)
  await createUserIndexes(db, builder)
  await createRobotIndexes(db, builder)
  await builder.index('events', ['actor', 'id'])
  await builder.index('events', ['action', 'id'])
  await builder.index('events', ['project', 'id'])
  await builder.index('events', ['project_id', 'id'])
  await builder.index('events', ['repository', 'id'])
  await builder.index('events', ['target', 'id'])
  await builder.index('events', ['address', 'id'])
  for (const column of ['action', 'actor', 'project', 'project_id', 'repository', 'target', 'address']) {
    const index = db.schema.createIndex(`events_failure_${column}_id`).on('events').columns([column, 'id'])
    await index.where(sql.ref('outcome'), '=', sql.lit('failure')).execute()
  }
  await db.schema.createIndex('events_failure_id').on('events').column('id').where(sql.ref('outcome'), '=', sql.lit('failure')).execute()
  // All that a list in this order filters by, so that it reads no row that it does not show.
  await builder.index('repositories', ['updated_at', 'id', 'name', 'project_id'])
  await builder.index('tags', ['repository_id', 'updated_at'])
  await builder.index('manifests', ['repository_id', 'created_at'])
  await builder.index('manifests', ['repository_id', 'size_bytes'])
}
