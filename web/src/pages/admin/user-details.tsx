/** An account, opened: what it is called, with what it proves itself, and the tokens that act in its name. */
import type { ResponseOf } from '#api/contract.ts'
import type { readUser as ReadUser } from '#api/routes/users.ts'
import { Badge, Group, Stack, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { change, pages, query } from '../../api/client.ts'
import { listFactorsOfUser, listUserTokens, readUser, removeFactorsOfUser, revokeUserToken } from '../../api/manage-routes.ts'
import { listUsers, updateUser } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { Form, useDraft, WorkButton } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { Listing, More } from '../../parts/listing.tsx'
import { Loaded } from '../../parts/loaded.tsx'
import { tell } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { Facts, None, Row } from '../../parts/rows.tsx'
import { useWords } from '../../parts/use-words.ts'

type User = ResponseOf<typeof ReadUser>

export function UserDetails({ id }: { readonly id: number }) {
  const who = useWho()
  const user = useQuery(query(readUser, { params: { user: id } }))
  const mayChange = who.may('user:update')
  return (
    <Loaded of={user}>
      {(data) => (
        <Stack>
          <About user={data} />
          {mayChange && <Naming key={data.version} user={data} />}
          <Factors user={id} mayChange={mayChange} />
          <Tokens user={id} mayChange={mayChange} />
        </Stack>
      )}
    </Loaded>
  )
}

function About({ user }: { readonly user: User }) {
  const { t } = useWords()
  const { hasPassword, providers, lastLoginAt, createdAt } = user
  return (
    <>
      <Group gap={8}>
        <Text fw={600} size="lg" className="wrap">
          {user.name}
        </Text>
        {user.isAdministrator && <Badge color="tide">{t('account.administrator')}</Badge>}
        {user.isDisabled && <Badge>{t('robots.disabled')}</Badge>}
      </Group>
      <Facts
        facts={[
          [t('users.from'), [...(hasPassword ? [t('users.local')] : []), ...providers].join(', ') || '–'],
          [t('users.lastLogin'), lastLoginAt === null ? t('tags.never') : <RelativeTime at={lastLoginAt} />],
          [t('manage:common.made'), <RelativeTime key="at" at={createdAt} />],
        ]}
      />
    </>
  )
}

function Naming({ user }: { readonly user: User }) {
  const { t } = useWords()
  const { draft, text } = useDraft({ displayName: user.displayName, email: user.email })
  const save = async () => {
    await change(updateUser, { params: { user: user.id }, body: draft, ifMatch: user.version }, [readUser, listUsers])
    tell(t('common.saved'))
  }
  return (
    <Form save={save} isDisabled={draft.displayName === user.displayName && draft.email === user.email}>
      <TextInput label={t('account.displayName')} {...text('displayName')} autoComplete="off" />
      <TextInput label={t('account.email')} type="email" {...text('email')} autoComplete="off" />
    </Form>
  )
}

interface PartProps {
  readonly user: number
  readonly mayChange: boolean
}

/** Whoever lost theirs is let in anew by taking them all away. */
function Factors({ user, mayChange }: PartProps) {
  const { t } = useWords()
  const list = useQuery(query(listFactorsOfUser, { params: { user } }))
  const remove = async () => {
    await change(removeFactorsOfUser, { params: { user } }, [listFactorsOfUser])
    tell(t('manage:accounts.factorsRemoved'))
  }
  const has = list.data !== undefined && list.data.items.length > 0
  return (
    <Panel
      title={t('factors.title')}
      isFlush
      actions={
        mayChange &&
        has && (
          <WorkButton size="compact-sm" variant="light" color="red" work={remove}>
            {t('manage:accounts.removeFactors')}
          </WorkButton>
        )
      }
    >
      <Loaded of={list} rows={1}>
        {({ items }) =>
          items.length === 0 ? (
            <None>{t('manage:accounts.noFactors')}</None>
          ) : (
            <ul className="rows">
              {items.map(({ id, kind, name, lastUsedAt }) => (
                <Row
                  key={id}
                  title={name}
                  text={
                    <>
                      {t(`factors.${kind}`)} · {lastUsedAt === null ? t('tokens.unused') : <RelativeTime at={lastUsedAt} />}
                    </>
                  }
                />
              ))}
            </ul>
          )
        }
      </Loaded>
    </Panel>
  )
}

function Tokens({ user, mayChange }: PartProps) {
  const { t } = useWords()
  const list = useList(pages(listUserTokens, { params: { user }, query: { limit: 50, sort: '-createdAt' } }))
  const none = <None>{t('manage:accounts.noTokens')}</None>
  const revoke = (token: number) => change(revokeUserToken, { params: { user, token } }, [listUserTokens])
  return (
    <Panel title={t('tokens.title')} isFlush>
      <Listing list={list} empty={none}>
        <ul className="rows">
          {list.items.map(({ id, hint, name, client, kind, lastUsedAt }) => (
            <Row
              key={id}
              title={name === '' ? client || t('tokens.client') : name}
              text={
                <>
                  <span className="mono">{`${hint}…`}</span> · {kind === 'refresh' && `${t('tokens.client')} · `}
                  {lastUsedAt === null ? t('tokens.unused') : <RelativeTime at={lastUsedAt} />}
                </>
              }
            >
              {mayChange && (
                <WorkButton
                  size="compact-xs"
                  variant="default"
                  work={() => revoke(id)}
                  aria-label={t('tokens.revokeThis', { name: name === '' ? hint : name })}
                >
                  {t('tokens.revoke')}
                </WorkButton>
              )}
            </Row>
          ))}
        </ul>
        <More more={list.more} />
      </Listing>
    </Panel>
  )
}
