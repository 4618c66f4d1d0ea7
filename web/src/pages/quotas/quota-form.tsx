/** What one project may use. */
import type { ResponseOf } from '#api/contract.ts'
import type { readQuota as ReadQuota } from '#api/routes/quotas.ts'
import { Button, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { change, query } from '../../api/client.ts'
import { deleteQuota, listQuotas, replaceQuota } from '../../api/manage-routes.ts'
import { readQuota } from '../../api/routes.ts'
import { act, Form, useDraft } from '../../parts/form.tsx'
import { Waiting } from '../../parts/layout.tsx'
import { Problem, tell } from '../../parts/problem.tsx'
import { formatBytes, formatNumber } from '../../parts/sizes.ts'
import { useWords } from '../../parts/use-words.ts'
import { LimitFields } from './limit-fields.tsx'
import { draftOf, limitsOf } from './limits.ts'

interface FormProps {
  readonly project: string
  readonly close?: () => void
}

export function QuotaForm({ project, close }: FormProps) {
  const { data, error } = useQuery(query(readQuota, { params: { project } }))
  if (error !== null) return <Problem error={error} />
  if (data === undefined) return <Waiting rows={3} />
  return <Fields key={data.version} quota={data} close={close} />
}

type Quota = ResponseOf<typeof ReadQuota>

function Fields({ quota, close }: { readonly quota: Quota; readonly close: (() => void) | undefined }) {
  const { t } = useWords()
  const state = useDraft(draftOf(quota))
  const input = { params: { project: quota.project }, ifMatch: quota.version }
  const touched = [readQuota, listQuotas]
  const save = async () => {
    await change(replaceQuota, { ...input, body: limitsOf(state.draft, t('manage:quotas.noNumber')) }, touched)
    tell(t('common.saved'))
    close?.()
  }
  const remove = async () => {
    await change(deleteQuota, input, touched)
    tell(t('manage:quotas.removed', { name: quota.project }))
    close?.()
  }
  const { used } = quota
  return (
    <Form
      save={save}
      close={close}
      aside={
        quota.version > 0 && (
          <Button variant="subtle" color="red" onClick={() => void act(remove)} mr="auto">
            {t('manage:quotas.remove')}
          </Button>
        )
      }
    >
      <Text size="sm" c="dimmed">
        {t('manage:quotas.used', {
          size: formatBytes(used.bytes),
          repositories: formatNumber(used.repositories),
          tags: formatNumber(used.tags),
        })}
      </Text>
      <LimitFields {...state} />
    </Form>
  )
}
