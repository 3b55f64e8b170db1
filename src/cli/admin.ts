export const openAdmin: any = undefined
