export const printRecords: any = undefined
